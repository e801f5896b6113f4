"""Which trace the work in hand belongs to: known without any SDK, so that events and log lines say it at all times."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from observe.vocabulary import Attributes

# W3C Trace Context: a later version may add fields after the flags, and keeps these four.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NOTHING: Attributes = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span, as others refer to it: 32 and 16 hex digits, and whether anybody keeps what belongs to the trace."""

    trace_id: str
    span_id: str
    sampled: bool = True

    def format(self) -> str:
        """As a `traceparent`, for a header or an event."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


_current: ContextVar[TraceContext | None] = ContextVar("trace", default=None)
_about: ContextVar[Attributes] = ContextVar("about", default=_NOTHING)


def parse(traceparent: str | None) -> TraceContext | None:
    """None for what is no `traceparent`: whoever sent it is none of our business, so nothing is raised."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None or (found[1] == "00" and found[5]):
        return None
    return TraceContext(found[2], found[3], bool(int(found[4], 16) & 1))


def current() -> TraceContext | None:
    """The span under way in this task or thread."""
    return _current.get()


def about() -> Attributes:
    """What the work in hand is about (`job.id`, `job.url` and the like): every span and log line below says it too."""
    return _about.get()


Tokens: TypeAlias = tuple[Token[TraceContext | None], Token[Attributes]]


def enter(trace: TraceContext | None, attributes: Attributes = _NOTHING) -> Tokens:
    """From here on this is the current span, and the work is about these attributes and those from before."""
    outside = _about.get()
    return _current.set(trace), _about.set({**outside, **attributes} if attributes else outside)


def leave(tokens: Tokens) -> None:
    _current.reset(tokens[0])
    _about.reset(tokens[1])


@contextmanager
def entered(trace: TraceContext | None, attributes: Attributes = _NOTHING) -> Iterator[None]:
    """For work in somebody's trace that is no span of its own."""
    tokens = enter(trace, attributes)
    try:
        yield
    finally:
        leave(tokens)
