"""One kind of trouble for one function, as it was asked for."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

from shared.errors import InvalidInput

Kind: TypeAlias = Literal["kill", "delay", "duplicate", "drop", "reorder", "5xx"]
Via: TypeAlias = Literal["all", "calls", "events"]

EVERY_FUNCTION = "*"
LONGEST_DELAY_MS = 600_000
# Where nothing is said: a second for what waits, at once for what kills.
_DELAY_MS: Mapping[str, int] = {"delay": 1000, "reorder": 1000}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?")
_FIELDS = frozenset(("kind", "function", "rate", "via", "status", "delay_ms", "seed"))


@dataclass(frozen=True)
class Fault:
    """`function` is a key or `*`. The same seed and the same order of requests hit the same ones.

    `delay_ms` is how long `delay` waits, how long at most `reorder` holds a request back for the next one to pass, and
    how long `kill` lets a replica live once it was given a request.
    """

    kind: Kind
    function: str = EVERY_FUNCTION
    rate: float = 1.0
    via: Via = "all"
    status: int = 503
    delay_ms: int = 0
    seed: int = 0

    def concerns(self, key: str, via: str) -> bool:
        return self.function in (EVERY_FUNCTION, key) and (self.via == "all" or via in ("all", self.via))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def parse(body: Mapping[str, Any]) -> Fault:
    """Raises `InvalidInput` naming the field."""
    for name in body:
        if name not in _FIELDS:
            raise _wrong(name[:100], f"is not known; there are {', '.join(sorted(_FIELDS))}")
    kind = _one_of(body, "kind", get_args(Kind), None)
    via = _one_of(body, "via", get_args(Via), "all")
    if kind == "kill" and via != "all":
        raise _wrong("via", "cannot be chosen for kill: a replica is killed whatever it was given")
    return Fault(
        kind=cast("Kind", kind),
        function=_function(body.get("function", EVERY_FUNCTION)),
        rate=_rate(body.get("rate", 1.0)),
        via=cast("Via", via),
        status=_whole(body, "status", 503, 500, 599),
        delay_ms=_whole(body, "delay_ms", _DELAY_MS.get(kind, 0), 0, LONGEST_DELAY_MS),
        seed=_whole(body, "seed", 0, 0, 2**63 - 1),
    )


def _function(value: object) -> str:
    if not isinstance(value, str) or not (value == EVERY_FUNCTION or _NAME.fullmatch(value)):
        raise _wrong("function", f"must be a function's name, or {EVERY_FUNCTION} for all")
    return value.removesuffix(".openfaas-fn")


def _one_of(body: Mapping[str, Any], field: str, choices: tuple[str, ...], default: str | None) -> str:
    value = body.get(field, default)
    if not isinstance(value, str) or value not in choices:
        raise _wrong(field, f"must be one of {', '.join(choices)}")
    return value


def _rate(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise _wrong("rate", "must be a number above 0 and at most 1: the share of requests that it hits")
    return float(value)


def _whole(body: Mapping[str, Any], field: str, default: int, least: int, most: int) -> int:
    value = body.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _wrong(field, f"must be a whole number from {least} to {most}")
    return value


def _wrong(field: str, what: str) -> InvalidInput:
    return InvalidInput("fault_invalid", f"{field} {what}", field=field)
