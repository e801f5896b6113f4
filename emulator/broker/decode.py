"""Reads an event from an HTTP message the way Knative does: by headers, without looking at the data of a binary one."""

import base64
import json
import re
from collections.abc import Iterable
from enum import Enum

from emulator.broker.event import STRUCTURED, Event, is_json
from shared.events.attributes import instant

BATCH = "application/cloudevents-batch+json"
VERSIONS = ("1.0", "0.3")
_REQUIRED = ("id", "source", "type")
_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_MEDIA_TYPE = re.compile(rf"{_WORD}(/{_WORD})?\s*(;.*)?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SPACE = re.compile(r"[ \t\r\n]*")
_PASSED = ("x-request-id", "retry-after")
_PASSED_PREFIXES = ("knative-", "x-b3-")

RawHeaders = Iterable[tuple[bytes, bytes]]


class Encoding(Enum):
    BINARY = "binary"
    STRUCTURED = "structured"
    BATCH = "batch"
    NONE = "none"


class Malformed(Exception):
    """The message means to be an event and is not one."""


def encoding(content_type: str, specversion: str) -> Encoding:
    media = content_type.partition(";")[0].strip().lower()
    if media == BATCH:
        return Encoding.BATCH
    if media == STRUCTURED:
        return Encoding.STRUCTURED
    return Encoding.BINARY if specversion in VERSIONS else Encoding.NONE


def decode(headers: RawHeaders, body: bytes) -> Event | None:
    """None: not an event at all. A missing attribute is `validate`'s business, because a reply may lack one here."""
    attributes, content_type, passed = _split(headers)
    kind = encoding(content_type, attributes.get("specversion", ""))
    if kind is Encoding.NONE:
        return None
    if kind is Encoding.BATCH:
        raise Malformed("a batch")
    if kind is Encoding.STRUCTURED:
        attributes, body = _structured(body)
    elif content_type:
        attributes["datacontenttype"] = content_type
    return Event(_normal(attributes), body, passed)


def validate(event: Event) -> None:
    """Raises `Malformed` where the ingress answers 400."""
    attributes = event.attributes
    for name in _REQUIRED:
        if not attributes.get(name, "").strip():
            raise Malformed(f"{name} is missing")
    for name in ("source", "dataschema", "schemaurl"):
        value = attributes.get(name, "")
        if value[:1] == ":" or ("%" in value and _BAD_ESCAPE.search(value)):
            raise Malformed(f"{name} is not a URI reference")
    content_type = attributes.get("datacontenttype", "")
    if content_type and not _MEDIA_TYPE.fullmatch(content_type):
        raise Malformed("datacontenttype is not a media type")


def _passes(name: str) -> bool:
    return name in _PASSED or name.startswith(_PASSED_PREFIXES)


def _split(headers: RawHeaders) -> tuple[dict[str, str], str, tuple[tuple[str, str], ...]]:
    attributes: dict[str, str] = {}
    content_type = ""
    passed = []
    for raw, value in headers:
        name = raw.decode("latin-1").lower()
        if name.startswith("ce-"):
            attributes.setdefault(name[3:], _text(value))
        elif name == "content-type":
            content_type = content_type or _text(value)
        elif _passes(name):
            passed.append((name, value.decode("latin-1")))
    return attributes, content_type, tuple(passed)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _normal(attributes: dict[str, str]) -> dict[str, str]:
    """Names checked, time in UTC: Knative's SDK writes it so on every hop."""
    for name in attributes:
        if not (name.isalnum() and name.isascii()):
            raise Malformed("an attribute's name is not lower-case letters and digits")
    if "time" in attributes:
        try:
            attributes["time"] = instant(attributes["time"])
        except (ValueError, OverflowError) as exc:
            raise Malformed("time is not RFC 3339") from exc
    return attributes


def _structured(body: bytes) -> tuple[dict[str, str], bytes]:
    members = _members(body)
    raw = members.pop("data", None)
    encoded = members.pop("data_base64", None)
    attributes = {name.lower(): text for name, value in members.items() if (text := _attribute(value)) is not None}
    if attributes.get("specversion") not in VERSIONS:
        raise Malformed("specversion is missing or unknown")
    if encoded is not None:
        return attributes, _from_base64(_attribute(encoded) or "")
    if raw is None or raw == "null":
        return attributes, b""
    if attributes.pop("datacontentencoding", "") == "base64":
        return attributes, _from_base64(_attribute(raw) or "")
    if raw.startswith('"') and not is_json(attributes.setdefault("datacontenttype", "application/json")):
        return attributes, json.loads(raw).encode()
    attributes.setdefault("datacontenttype", "application/json")
    return attributes, raw.encode()


def _members(body: bytes) -> dict[str, str]:
    """The members of a JSON object as they are spelled, so that data keeps its bytes."""
    try:
        text = body.decode()
        decoder = json.JSONDecoder(parse_constant=_no_constant)
        decoder.decode(text)
        return dict(_spelled(text, decoder))
    except (ValueError, RecursionError) as exc:
        raise Malformed("not a JSON object") from exc


def _spelled(text: str, decoder: json.JSONDecoder) -> Iterable[tuple[str, str]]:
    """`text` is valid JSON already."""
    at = _skip(text, 0)
    if text[at] != "{":
        raise ValueError("not an object")
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        _, end = decoder.raw_decode(text, start)
        yield name, text[start:end]
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _attribute(raw: str) -> str | None:
    value = json.loads(raw)
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | float):
        raise Malformed("an attribute is neither text, integer nor boolean")
    return raw


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as exc:
        raise Malformed("data is not base64") from exc
