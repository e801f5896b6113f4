"""The same function under `functions-framework --asgi`."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

from shared.runtime.function import Function

if TYPE_CHECKING:
    from starlette.requests import Request

R = TypeVar("R")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def as_http_function(build: Callable[[], Function[R]]) -> "Callable[[Request], Awaitable[Asgi]]":
    """For `main = as_http_function(build)`: `build` runs at the first request, so that importing reads no settings."""
    raise NotImplementedError
