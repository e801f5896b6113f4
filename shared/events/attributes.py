"""What CloudEvents 1.0 allows in an attribute, taken strictly."""

import re
from datetime import UTC, datetime

from shared.errors import InvalidInput
from shared.events.event import SPEC_VERSION, CloudEvent, Json

STANDARD = ("id", "source", "type", "subject", "time", "dataschema")
STRINGS = ("specversion", *STANDARD)
_REQUIRED = ("specversion", "id", "source", "type")
_RESERVED = {"data", "database64", "datacontenttype"}
_NAME = re.compile(r"[a-z0-9]{1,64}")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_URI = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:" + _URI.pattern)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def event_of(attributes: dict[str, str], data: "Json") -> CloudEvent:
    """Checks every attribute, `specversion` among them, and builds the event."""
    for name in _REQUIRED:
        if name not in attributes:
            raise InvalidInput("event_attribute_missing", f"the event lacks {name}", field=name)
    rest = dict(attributes)
    if rest.pop("specversion") != SPEC_VERSION:
        raise InvalidInput("event_specversion", "only CloudEvents 1.0 is understood here", field="specversion")
    for name, value in rest.items():
        _check(name, value)
    known = {name: rest.pop(name) for name in STANDARD if name in rest}
    return CloudEvent(data=data, extensions=rest, **known)


def attributes_of(event: CloudEvent) -> dict[str, str]:
    """All attributes of an event, checked: what we send is as strict as what we accept."""
    found = {name: getattr(event, name) for name in STANDARD if getattr(event, name) is not None}
    for name, value in (found | event.extensions).items():
        _check(name, value)
    if not found.keys().isdisjoint(event.extensions) or "specversion" in event.extensions:
        raise InvalidInput("event_attribute_name", "an extension has the name of an attribute", field="extensions")
    return {"specversion": SPEC_VERSION} | found | event.extensions


def instant(time: str) -> str:
    """RFC 3339 in UTC, the fraction without trailing zeros: hops rewrite a time, but never to another instant."""
    match = _TIME.fullmatch(time)
    if match is None:
        raise ValueError("not RFC 3339")
    seconds, fraction, zone = match.groups()
    moment = datetime.fromisoformat(seconds + zone.replace("Z", "+00:00")).astimezone(UTC)
    fraction = (fraction or "").rstrip("0")
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"


def _check(name: str, value: str) -> None:
    if name in _RESERVED or not _NAME.fullmatch(name):
        message = "an attribute's name is not 1 to 64 lower-case letters and digits, or it is reserved"
        raise InvalidInput("event_attribute_name", message, field="extensions")
    if not _is_valid(name, value):
        raise InvalidInput("event_attribute_invalid", f"{_public(name)} is not valid", field=_public(name))


def _is_valid(name: str, value: str) -> bool:
    if not isinstance(value, str) or _FORBIDDEN.search(value):
        return False
    if name == "source":
        return _URI.fullmatch(value) is not None
    if name == "dataschema":
        return _ABSOLUTE_URI.fullmatch(value) is not None
    if name == "time":
        return _is_time(value)
    return value != "" or name not in STANDARD


def _is_time(value: str) -> bool:
    try:
        instant(value)
    except (ValueError, OverflowError):
        return False
    return True


def _public(name: str) -> str:
    """The name, if it is not one that the sender made up: errors never echo input."""
    return name if name in STANDARD else "extensions"
