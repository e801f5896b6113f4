"""The health check of an image says what the process says of itself."""

import asyncio
import subprocess
import sys

import pytest
from starlette.requests import Request
from starlette.responses import Response

from shared.runtime.healthcheck import wait
from tests.local_http import asgi, closed_port, serving


async def answer(request: Request) -> Response:
    return Response(status_code=200 if request.url.path == "/healthz" else 503)


@pytest.mark.parametrize(("path", "code"), [("/healthz", 0), ("/readyz", 1)])
async def test_it_ends_with_0_only_when_all_is_well(path: str, code: int) -> None:
    async with serving(asgi(answer)) as url:
        port = url.rsplit(":", 1)[1].rstrip("/")
        command = [sys.executable, "-m", "shared.runtime.healthcheck", path]
        ended = await asyncio.to_thread(
            subprocess.run, command, env={"PORT": port, "PATH": ""}, check=False, timeout=30
        )
    assert ended.returncode == code


def test_it_asks_again_until_the_time_is_over() -> None:
    now = 0.0

    def pass_by(seconds: float) -> None:
        nonlocal now
        now += seconds

    assert not wait(f"http://127.0.0.1:{closed_port()}/", 10.0, clock=lambda: now, sleep=pass_by)
    assert now == 10.0
