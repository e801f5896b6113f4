"""Hosts a function over uvicorn, without what a function does not need."""

from typing import TypeVar

from shared.runtime.function import Function

R = TypeVar("R")


def serve(function: Function[R]) -> None:
    """Listens on $PORT until SIGTERM, then drains and exits. Being written."""
    raise NotImplementedError
