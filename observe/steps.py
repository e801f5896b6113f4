"""A coroutine, with something around each of its steps: what is on while it runs is off while it waits for others."""

import functools
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

T = TypeVar("T")


class Stepwise(Awaitable[T]):
    """Awaits `work` with `around` entered anew for each step; not for those of tasks which it starts."""

    __slots__ = ("_around", "_work")

    def __init__(self, work: Awaitable[T], around: AbstractContextManager[None]) -> None:
        self._work = work
        self._around = around

    def __await__(self) -> Generator[Any, Any, T]:
        work = self._work.__await__()
        step: Callable[[], Any] = functools.partial(work.send, None)
        while True:
            try:
                with self._around:
                    waited_for = step()
            except StopIteration as done:
                result: T = done.value
                return result
            try:
                sent = yield waited_for
            except GeneratorExit:
                work.close()
                raise
            except BaseException as thrown:
                step = functools.partial(work.throw, thrown)
            else:
                step = functools.partial(work.send, sent)
