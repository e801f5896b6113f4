"""A span as it was received, whoever made it: what is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Link:
    """To a span of another trace, or of this one."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Span:
    """Ids are 32 and 16 hex digits; times are nanoseconds since the epoch; attributes are JSON values.

    `instance` is the process that made it, `message` what it says of its failure.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    service: str
    start_ns: int
    end_ns: int
    failed: bool = False
    message: str = ""
    instance: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[Link, ...] = ()

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9
