"""CloudEvents over HTTP, strictly: binary and structured mode, JSON data only, at most 64 KiB."""

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote_to_bytes

from shared.errors import InvalidInput, TooLarge
from shared.events import strict_json
from shared.events.attributes import STRINGS, attributes_of, event_of
from shared.events.event import MAX_EVENT_BYTES, CloudEvent, Json

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
# Everything printable but space, quote and percent, which the HTTP binding wants encoded.
_UNQUOTED = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_JSON_MEDIA = re.compile(r"application/(?:[a-z0-9.!#$&^_-]+\+)?json")

RawHeaders = Mapping[str, str] | Iterable[tuple[bytes, bytes]]


def is_event(headers: Mapping[str, str]) -> bool:
    """Whether a request with these (lower-case) headers means to be an event, well made or not."""
    return headers.get("content-type", "").lower().startswith("application/cloudevents") or any(
        name.startswith("ce-") for name in headers
    )


def is_batch(content_type: str) -> bool:
    """Whether a body of this type is a batch, which `decode` refuses and `decode_batch` reads."""
    return content_type.partition(";")[0].strip().lower() == BATCH


def decode(headers: RawHeaders, body: bytes) -> CloudEvent:
    """The content type decides the mode, as it does for Knative. Raises `InvalidInput` or `TooLarge`."""
    named = _distinct(headers)
    media = _media_type(named.get("content-type", ""))
    if media == BATCH:
        raise InvalidInput("event_batch", "send one event a request: batches are not accepted here")
    if media.startswith("application/cloudevents"):
        _bound(len(body))
        if media != STRUCTURED:
            raise InvalidInput("event_format", "of the structured formats only JSON is understood here")
        return _structured(strict_json.parse(body, "event"))
    return _binary(named, media, body)


def decode_batch(body: bytes) -> list[CloudEvent]:
    """The events of an `application/cloudevents-batch+json` body; the caller bounds the whole."""
    batch = strict_json.parse(body, "batch")
    if not isinstance(batch, list):
        raise InvalidInput("event_batch", "a batch is a JSON array of events")
    for item in batch:
        _bound(len(strict_json.canonical(item)))
    return [_structured(item) for item in batch]


def encode_binary(event: CloudEvent) -> tuple[list[tuple[str, str]], bytes]:
    """Headers, among them `content-type` when there is data, and body."""
    headers = [(f"ce-{name}", quote(value, safe=_UNQUOTED)) for name, value in attributes_of(event).items()]
    body = b"" if event.data is None else _dump(event.data)
    _bound(len(body) + sum(len(name) + len(value) for name, value in headers))
    if body:
        headers.append(("content-type", "application/json"))
    return headers, body


def encode_structured(event: CloudEvent) -> bytes:
    """The body; its content type is `STRUCTURED`."""
    envelope: dict[str, Json] = dict(attributes_of(event))
    if event.data is not None:
        envelope |= {"datacontenttype": "application/json", "data": event.data}
    body = _dump(envelope)
    _bound(len(body))
    return body


def _binary(headers: dict[str, str], media: str, body: bytes) -> CloudEvent:
    marked = {name: value for name, value in headers.items() if name.startswith("ce-")}
    _bound(len(body) + sum(len(name) + len(value) for name, value in marked.items()))
    if not marked:
        raise InvalidInput("not_an_event", "the request is not a CloudEvent, neither binary nor structured")
    if body and not _JSON_MEDIA.fullmatch(media):
        raise InvalidInput("event_content_type", "the data of an event must be application/json", field="content-type")
    data = strict_json.parse(body, "data") if body else None
    return event_of({name[3:]: _unescape(value) for name, value in marked.items()}, data)


def _structured(envelope: "Json") -> CloudEvent:
    if not isinstance(envelope, dict):
        raise InvalidInput("event_not_json", "a structured event is a JSON object", field="event")
    attributes = {name: value for name, value in envelope.items() if value is not None}
    data = attributes.pop("data", None)
    content_type = attributes.pop("datacontenttype", "application/json")
    if "data_base64" in attributes or not isinstance(content_type, str):
        raise InvalidInput("event_content_type", "the data of an event must be JSON", field="data")
    if not _JSON_MEDIA.fullmatch(_media_type(content_type)):
        raise InvalidInput("event_content_type", "the data of an event must be application/json", field="data")
    return event_of({name: _as_text(name, value) for name, value in attributes.items()}, data)


def _distinct(headers: RawHeaders) -> dict[str, str]:
    """Lower-case names; of the headers that we read, none may come twice."""
    pairs = headers.items() if isinstance(headers, Mapping) else [_decoded(name, value) for name, value in headers]
    found: dict[str, str] = {}
    for name, value in ((name.lower(), value) for name, value in pairs):
        if name in found and (name.startswith("ce-") or name == "content-type"):
            raise InvalidInput("event_attribute_repeated", "a header of the event is given twice", field="headers")
        found[name] = value
    return found


def _media_type(content_type: str) -> str:
    """Without parameters; a charset other than UTF-8 is refused, because JSON has no other."""
    media, _, parameters = content_type.lower().partition(";")
    for name, _, value in (parameter.partition("=") for parameter in parameters.split(";")):
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise InvalidInput("event_charset", "events are UTF-8", field="content-type")
    return media.strip()


def _unescape(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return _text(unquote_to_bytes(value))


def _as_text(name: str, value: "Json") -> str:
    """An extension may be a boolean or an integer, which have one spelling as text; other JSON is not an attribute."""
    if name in STRINGS and not isinstance(value, str):
        raise InvalidInput("event_attribute_invalid", f"{name} is not a string", field=name)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and -(2**31) <= value < 2**31:
        return str(value)
    if not isinstance(value, str):
        raise InvalidInput("event_attribute_invalid", "an attribute is neither text, integer nor boolean")
    return value


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise InvalidInput("event_attribute_invalid", "an attribute is not UTF-8", field="headers") from exc


def _decoded(name: bytes, value: bytes) -> tuple[str, str]:
    text = name.decode("latin-1")
    return text, _text(value) if text.lower().startswith("ce-") else value.decode("latin-1")


def _dump(value: "Json | dict[str, Json]") -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _bound(size: int) -> None:
    if size > MAX_EVENT_BYTES:
        raise TooLarge("event_too_large", f"an event is at most {MAX_EVENT_BYTES} bytes: send a reference instead")
