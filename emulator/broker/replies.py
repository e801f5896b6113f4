"""What a subscriber's answer means: done, a reply event, or a failure, and what the dead letter will say of it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from emulator.broker.decode import Malformed, decode
from emulator.broker.event import Event
from emulator.broker.ports import Answer
from emulator.broker.retry import is_retryable

MAX_ERROR_DATA = 1024


@dataclass(frozen=True, slots=True)
class Accepted:
    pass


@dataclass(frozen=True, slots=True)
class Replied:
    event: Event


@dataclass(frozen=True, slots=True)
class Failed:
    """`attributes` are the `knativeerror*` of a dead letter; empty where the real broker loses them."""

    status: int
    retryable: bool
    attributes: tuple[tuple[str, str], ...] = ()
    retry_after: str | None = None


Result: TypeAlias = Accepted | Replied | Failed
TIMED_OUT = Failed(status=0, retryable=True)
NOT_AN_EVENT = Failed(status=502, retryable=True)


def read_reply(answer: Answer, url: str) -> Result:
    """`url` is the subscriber's, for the dead letter. A non-empty body that is no CloudEvent counts as 502."""
    if not 200 <= answer.status < 300:
        return failure(answer, url)
    try:
        event = decode(_raw(answer.headers), answer.body)
    except Malformed:
        return NOT_AN_EVENT
    if event is not None:
        return Replied(event)
    return NOT_AN_EVENT if answer.body else Accepted()


def read_plain(answer: Answer, url: str) -> Result:
    """A dead letter sink, or the broker's own ingress: any 2xx will do."""
    return Accepted() if 200 <= answer.status < 300 else failure(answer, url)


def failure(answer: Answer, url: str) -> Failed:
    retry_after = next((value for name, value in answer.headers if name == "retry-after"), None)
    attributes = error_attributes(url, answer.status, answer.body)
    return Failed(answer.status, is_retryable(answer.status), attributes, retry_after)


def unreachable(url: str, reason: str) -> Failed:
    """A network error is reported as 500, in the words of Go's HTTP client as far as we know them."""
    target = url if url.count("/") > 2 else f"{url}/"
    data = f'dispatch error: Post "{target}": {reason}'.encode()
    return Failed(500, retryable=True, attributes=error_attributes(url, 500, data))


def error_attributes(url: str, status: int, body: bytes) -> tuple[tuple[str, str], ...]:
    """Real Knative dies of a body over 768 bytes; we cut it, as it means to."""
    data = base64.b64encode(body[:MAX_ERROR_DATA]).decode()[:MAX_ERROR_DATA]
    return (("knativeerrordest", url), ("knativeerrorcode", str(status)), ("knativeerrordata", data))


def _raw(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(_bytes(name), _bytes(value)) for name, value in headers]


def _bytes(text: str) -> bytes:
    """HTTP clients give header bytes as Latin-1."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
