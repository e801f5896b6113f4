"""What an answer means: go on, read it, leave it, or try again. Values in, values out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias

from shared.errors import Permanent, StageFailure, Transient

# As patient as the pipeline is: nothing waits longer on a stranger's word.
MAX_RETRY_AFTER_S = 3600.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SNIFFED_BYTES = 512

Form: TypeAlias = Literal["html", "text"]


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, as it came: the body still compressed, header names in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Move:
    """Look there instead."""

    location: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What we have is still current."""


def judge(response: Response, *, conditional: bool, now: datetime) -> Move | Unchanged | None:
    """None: this is what was asked for, and it has a body. Raises a `StageFailure` for everything else."""
    location = response.headers.get("location")
    if response.status in REDIRECTS and location:
        return Move(location)
    if response.status == 304 and conditional:
        return Unchanged()
    if response.status not in (200, 203):
        raise refusal(response.status, response.headers, now)
    if not response.body:
        raise Permanent("no_text", "the page is empty")
    return None


def refusal(status: int, headers: Mapping[str, str], now: datetime) -> StageFailure:
    """The failure that a status other than success stands for."""
    if status in (408, 425, 429) or status >= 500:
        wait = retry_after_s(headers.get("retry-after"), now)
        return Transient(f"http_{status}", f"the server answered with status {status}", retry_after_s=wait)
    return Permanent(f"http_{status}", f"the server answered with status {status}")


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Seconds or a date, as RFC 9110 has it; None for anything else."""
    if not value:
        return None
    if value.strip().isdecimal():
        return min(float(value.strip()[:9]), MAX_RETRY_AFTER_S)
    try:
        then = parsedate_to_datetime(value)
    except (ValueError, IndexError, TypeError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return min(max((then - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def form_of(response: Response) -> Form:
    """As its server declares it. Raises `Permanent` unsupported_content_type."""
    declared = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared in ("text/html", "application/xhtml+xml"):
        return "html"
    if declared == "text/plain":
        return "text"
    if declared or "nosniff" in response.headers.get("x-content-type-options", "").lower():
        raise Permanent("unsupported_content_type", "only HTML pages and plain text are indexed")
    return _sniffed(response)


def _sniffed(response: Response) -> Form:
    """For a page without a type: markup is HTML, control characters are no text at all."""
    start = response.body[:SNIFFED_BYTES]
    if "content-encoding" in response.headers or start.lstrip().startswith(b"<"):
        return "html"
    if any(byte < 9 or 13 < byte < 27 for byte in start):
        raise Permanent("unsupported_content_type", "only HTML pages and plain text are indexed")
    return "text"
