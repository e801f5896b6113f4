#!/bin/sh -e
# What operators and developers do most, each a line over the command line:
#     deploy.sh dev                 start the platform on this machine, without containers
#     deploy.sh dev --build         build the images, and start the platform in containers
#     deploy.sh dev --pull          the same with the images that deploy/compose/.env names, from their registry
#     deploy.sh down                stop it, whichever of the two it is
#     deploy.sh check | test        quality checks | the whole suite
#     deploy.sh logs [FUNCTION]     what a function wrote, as it comes
#     deploy.sh status              what runs, and whether it is ready
#     deploy.sh migrate [--dry-run] bring the database of DATABASE_URL to this version's schema
#     deploy.sh openapi [FILE]      the OpenAPI document
#     deploy.sh types [FILE]        types for clients
here=$(cd "$(dirname "$0")" && pwd)
compose="docker compose -f $here/../deploy/compose/compose.yaml --project-directory $here/../deploy/compose"
runs() { command -v docker >/dev/null && [ -n "$($compose ps --quiet 2>/dev/null)" ]; }
verb=${1:-help}
[ $# -eq 0 ] || shift
case $verb in
dev)
    case $1 in
    --build) images=--build ;;
    --pull) images="--no-build --pull missing" ;;
    *) exec "$here/sluice" up --detach "$@" ;;
    esac
    docker compose version >/dev/null 2>&1 || { echo "deploy.sh: $1 needs docker with its compose plugin" >&2; exit 1; }
    "$here/secrets" "$here/../deploy/compose/secrets"
    [ -f "$here/../deploy/compose/.env" ] || cp "$here/../deploy/compose/.env.example" "$here/../deploy/compose/.env"
    exec $compose up $images --detach --wait
    ;;
down) if runs; then exec $compose down; else exec "$here/sluice" down "$@"; fi ;;
check | test) exec "$here/$verb" "$@" ;;
logs)
    if runs; then exec $compose logs --follow "$@"; fi
    [ $# -gt 0 ] || set -- gateway
    exec "$here/sluice" logs --follow "$@"
    ;;
status) if runs; then exec $compose ps; else exec "$here/sluice" status "$@"; fi ;;
migrate) exec "$here/sluice" migrate "$@" ;;
openapi | types)
    if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then file=$1 && shift && exec "$here/sluice" "$verb" "$@" >"$file"; fi
    exec "$here/sluice" "$verb" "$@"
    ;;
*)
    sed -n 's/^# //p' "$0" >&2
    exit 2
    ;;
esac
