"""The same function under `functions-framework --asgi`, which has neither start nor end for resources."""

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from observe import profiling, tracing
from shared.runtime.app import FunctionApp
from shared.runtime.asgi import Asgi
from shared.runtime.function import Function
from shared.runtime.resources import Resources

if TYPE_CHECKING:
    from starlette.requests import Request

R = TypeVar("R")


def as_http_function(build: Callable[[], Function[R]]) -> "Callable[[Request], Awaitable[Asgi]]":
    """For `main = as_http_function(build)`: `build` runs at the first request, so that importing reads no settings."""
    hosted: list[tuple[FunctionApp[R], Resources[R]]] = []

    async def main(request: "Request") -> Asgi:
        if not hosted or hosted[0][1].failed:
            function = build()
            tracing.setup(function.name, os.environ)
            profiling.setup(function.name, os.environ)
            resources = Resources(function.open)
            hosted[:] = [(FunctionApp(function, resources), resources)]
        return hosted[0][0]

    return main
