"""The function that `benchmarks.proxy` calls: answers with what it was sent, under our own ASGI host."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.runtime.function import Function
from shared.runtime.host import main
from shared.runtime.http import HttpRequest, HttpResponse, json_response

ECHO, BEHIND_A_GATEWAY, EVENT = "/", "/function/echo", "/event"
# Asked by a real gateway before it calls.
DEPLOYED = "/system/function/echo"


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


async def _echo(request: HttpRequest, _: None) -> HttpResponse:
    return HttpResponse(200, (("content-type", "application/octet-stream"),), request.body)


async def _event(request: HttpRequest, _: None) -> HttpResponse:
    """A broker takes nothing else for success than no content, or an event."""
    return HttpResponse(204)


async def _deployed(request: HttpRequest, _: None) -> HttpResponse:
    return json_response({"name": "echo", "image": "echo", "replicas": 1, "availableReplicas": 1})


def build() -> Function[None]:
    routes = {("POST", ECHO): _echo, ("POST", BEHIND_A_GATEWAY): _echo, ("POST", EVENT): _event}
    routes |= {("GET", DEPLOYED): _deployed}
    return Function("echo", _nothing, routes=routes)


if __name__ == "__main__":
    main("echo", build)
