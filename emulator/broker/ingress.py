"""The broker's front door: which request gets which status, as the real ingress answers."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from emulator.broker.decode import Malformed, RawHeaders, decode, validate
from emulator.broker.event import ARRIVAL, TTL, Event

PREFIX = "/broker"
ALLOW = (b"allow", b"POST, OPTIONS")
OPTIONS_HEADERS = ((b"webhook-allowed-origin", b"*"), (b"webhook-allowed-rate", b"*"))


@dataclass(frozen=True, slots=True)
class Refused:
    status: int


@dataclass(frozen=True, slots=True)
class Address:
    namespace: str
    broker: str


Routed: TypeAlias = Address | Refused


def route(method: str, uri: str) -> Routed:
    """`uri` is the raw path and query below the prefix: a query becomes part of the broker's name."""
    if method == "OPTIONS":
        return Refused(200)
    if method != "POST":
        return Refused(405)
    if uri in ("", "/"):
        return Refused(404)
    parts = uri.removesuffix("/").split("/")
    return Address(parts[1], parts[2]) if len(parts) == 3 else Refused(400)


def read(headers: RawHeaders, body: bytes) -> Event | None:
    """A valid event, or None where the answer is 400."""
    try:
        event = decode(headers, body)
        if event is not None:
            validate(event)
    except Malformed:
        return None
    return event


def stamp(event: Event, now: datetime, default_ttl: int) -> Event | None:
    """Counts the hop and notes the arrival; None when the event has made all its hops."""
    ttl = _next_ttl(event.attributes.get(TTL), default_ttl)
    if ttl <= 0:
        return None
    arrival = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond:06d}".rstrip("0").rstrip(".") + "Z"
    return replace(event, attributes=event.attributes | {ARRIVAL: arrival, TTL: str(ttl)})


def _next_ttl(value: str | None, default: int) -> int:
    try:
        return default if value is None else int(float(value)) - 1
    except (ValueError, OverflowError):
        return default
