"""Who is calling, as every endpoint sees it."""

from dataclasses import dataclass
from typing import Literal

CallerType = Literal["user", "service", "unknown"]


@dataclass(frozen=True, slots=True)
class CallerContext:
    """`caller_id` is a keyed hash, safe to store and log; `request_id` ties the call to its log lines.

    `internal` marks our own services, who alone may report the results of stages.
    """

    caller_id: str
    caller_type: CallerType = "unknown"
    tier: str = "standard"
    scopes: frozenset[str] = frozenset()
    request_id: str = ""
    internal: bool = False
