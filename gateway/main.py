"""Runs the gateway on $PORT."""

import os

import uvicorn

from gateway.app import create_app
from gateway.http import Protocol
from gateway.settings import Settings
from shared.runtime.startup import starting
from shared.settings import Environment


def main() -> None:
    """Serves until SIGTERM, then lets the requests under way finish."""
    with starting("gateway"):
        settings = Settings.read(Environment(os.environ))
    uvicorn.run(
        create_app(settings, os.environ),
        host=settings.host,
        port=settings.port,
        http=Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
        timeout_keep_alive=75,
        limit_concurrency=None,
    )


if __name__ == "__main__":
    main()
