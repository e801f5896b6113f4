#!/bin/sh -e
# As the image of Redis does: the server runs as redis, whoever starts the container.
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then exec setpriv --reuid redis --regid redis --clear-groups "$@"; fi
exec "$@"
