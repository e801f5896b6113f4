"""A tick reaches the orchestrator as an event that needs no signature."""

import pytest
from starlette.requests import Request
from starlette.responses import Response

from shared.errors import Unavailable
from shared.runtime import tick
from tests.local_http import asgi, closed_port, serving


class Orchestrator:
    def __init__(self) -> None:
        self.types: list[str] = []
        self.status = 204

    async def __call__(self, request: Request) -> Response:
        self.types.append(request.headers["ce-type"])
        assert "ce-signature" not in request.headers
        return Response(status_code=self.status)


async def test_it_is_one_event_of_its_type() -> None:
    there = Orchestrator()
    async with serving(asgi(there)) as url:
        await tick.send(url)
    assert there.types == ["dev.sluice.pipeline.tick.v1"]


async def test_nobody_there_is_an_error_for_whoever_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick, "DELAYS_S", (0.0,))
    with pytest.raises(Unavailable):
        await tick.send(f"http://127.0.0.1:{closed_port()}")
