"""An event as the broker carries it: attributes as header text, data as the bytes that came."""

import base64
import json
from dataclasses import dataclass, replace
from urllib.parse import quote

STRUCTURED = "application/cloudevents+json"
TTL = "knativebrokerttl"
ARRIVAL = "knativearrivaltime"
_FIRST = ("specversion", "id", "source", "type", "datacontenttype", "dataschema", "schemaurl", "subject", "time")
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


@dataclass(frozen=True, slots=True)
class Event:
    """`attributes` holds every context attribute, `datacontenttype` too; `passed` HTTP headers that travel along."""

    attributes: dict[str, str]
    body: bytes = b""
    passed: tuple[tuple[str, str], ...] = ()

    def with_attributes(self, **changes: str) -> "Event":
        return replace(self, attributes=self.attributes | changes)

    def without(self, name: str) -> "Event":
        return replace(self, attributes={key: value for key, value in self.attributes.items() if key != name})


def binary_headers(event: Event) -> list[tuple[str, str]]:
    headers = [
        (f"ce-{name}", _header_text(value)) for name, value in event.attributes.items() if name != "datacontenttype"
    ]
    if "datacontenttype" in event.attributes:
        headers.append(("content-type", _header_text(event.attributes["datacontenttype"])))
    return headers


def structured_body(event: Event) -> bytes:
    """The event as one JSON object, in the order in which Knative writes it."""
    rest = [name for name in event.attributes if name not in _FIRST]
    members = [_member(event, name) for name in _FIRST if name in event.attributes]
    if event.body:
        members.append(_data_member(event))
    members.extend(_member(event, name) for name in rest)
    return ("{" + ",".join(members) + "}").encode()


def is_json(content_type: str) -> bool:
    """An absent content type counts as JSON, as in the JSON format of CloudEvents."""
    media = content_type.partition(";")[0].strip().lower()
    return media in ("", "application/json", "text/json") or media.endswith("+json")


def _member(event: Event, name: str) -> str:
    return f"{json.dumps(name)}:{json.dumps(event.attributes[name], ensure_ascii=False)}"


def _data_member(event: Event) -> str:
    try:
        text = event.body.decode()
    except UnicodeDecodeError:
        return f'"data_base64":"{base64.b64encode(event.body).decode()}"'
    if is_json(event.attributes.get("datacontenttype", "")) and _parses(text):
        return f'"data":{text}'
    return f'"data":{json.dumps(text, ensure_ascii=False)}'


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _header_text(value: str) -> str:
    """What cannot stand in a header is percent-encoded; text that came in a header goes out as it came."""
    if value.isascii() and value.isprintable():
        return value
    return quote(value, safe=_PRINTABLE)
