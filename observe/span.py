"""A span as we record it: cheap enough for every query and every request; the SDK meets it when it is exported."""

import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from random import getrandbits
from types import TracebackType
from typing import Literal, Self, TypeAlias

from observe import context
from observe.context import TraceContext
from observe.vocabulary import Attributes, Name, Value

Kind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]


_active: "ContextVar[Span | None]" = ContextVar("span", default=None)


def active() -> "Span | None":
    """The span under way itself, in the process that records it."""
    return _active.get()


class Span:
    """`with` makes it the current one. All spans and log lines inside inherit `about`, and no other attribute.

    One that is not recorded hands on the context of its parent, so that a trace goes on behind whoever keeps nothing.
    """

    __slots__ = (
        "_about",
        "_done",
        "_outer",
        "_tokens",
        "attributes",
        "context",
        "ended_ns",
        "error",
        "kind",
        "links",
        "name",
        "parent_id",
        "started_ns",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        where: TraceContext,
        parent: TraceContext | None,
        attributes: dict[Name, Value],
        about: Attributes,
        links: Sequence[TraceContext],
        done: "Callable[[Span], None] | None",
    ) -> None:
        self.name = name
        self.kind: Kind = kind
        self.context = where
        self.parent_id = parent.span_id if parent is not None and parent is not where else None
        self.attributes = attributes
        self.links = list(links)
        self.error = ""
        self.started_ns = self.ended_ns = 0
        self._about = about
        self._done = done
        self._tokens: context.Tokens | None = None
        self._outer: Span | None = None

    @property
    def recorded(self) -> bool:
        return self._done is not None

    def set(self, name: Name, value: Value) -> None:
        self.attributes[name] = value

    def link(self, other: TraceContext | None) -> None:
        if other is not None:
            self.links.append(other)

    def failed(self, error: str) -> None:
        """`error` is a code or the name of a class: what an exception says may hold anything."""
        self.error = error

    def __enter__(self) -> Self:
        self._tokens = context.enter(self.context, self._about)
        self._outer = _active.get()
        _active.set(self)
        self.started_ns = time.time_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended_ns = time.time_ns()
        assert self._tokens is not None
        context.leave(self._tokens)
        _active.set(self._outer)
        if isinstance(exc, Exception) and not self.error:
            self.failed(error_type(exc))
        if self._done is not None:
            self._done(self)


def error_type(exc: BaseException) -> str:
    """The code of an error of ours, the class of any other."""
    code = getattr(exc, "code", None)
    return code if isinstance(code, str) else type(exc).__name__


def new_trace_id() -> str:
    return f"{getrandbits(128) or 1:032x}"


def new_span_id() -> str:
    return f"{getrandbits(64) or 1:016x}"
