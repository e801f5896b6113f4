"""What a submission's URL list says, what a dead letter means for its document, and when a webhook is tried again."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from shared.contracts.documents import SitemapContent
from shared.contracts.payload import Payload
from shared.contracts.stages import ChunkRequested, StageFailed
from shared.errors import InvalidInput
from shared.store.webhooks import Outcome

MAX_URL_CHARS = 2048
MAX_TRIES = 10
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 3600.0


def read_urls(content: bytes, count: int) -> list[str]:
    """The URLs of a job, as the gateway normalised and stored them. Raises `InvalidInput`."""
    try:
        urls = json.loads(content)
    except ValueError:
        raise _refusal() from None
    if not isinstance(urls, list) or len(urls) != count:
        raise _refusal()
    if not all(isinstance(url, str) and 0 < len(url) <= MAX_URL_CHARS for url in urls):
        raise _refusal()
    return urls


def read_sitemap(content: bytes) -> SitemapContent:
    """What a worker stored of a sitemap. Raises `InvalidInput`."""
    try:
        return SitemapContent.model_validate_json(content)
    except ValidationError:
        raise InvalidInput("sitemap_content_invalid", "what is stored is not what a sitemap lists") from None


def undelivered(payload: Payload) -> StageFailed | None:
    """A request for chunks that its function never took is a failed try. Of other events the sweeper takes care."""
    if not isinstance(payload, ChunkRequested):
        return None
    return StageFailed(
        job_id=payload.job_id,
        document_id=payload.document_id,
        token=payload.token,
        stage="chunking",
        kind="transient",
        code="not_delivered",
        message="the chunk function took the request in none of the broker's tries",
    )


@dataclass(frozen=True, slots=True)
class Answered:
    """What a webhook's receiver said; `error` when it said nothing. `final`: asking again cannot help."""

    status: int | None = None
    error: str | None = None
    final: bool = False

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def outcome_of(answered: Answered, attempt: int, seconds: float, now: datetime, jitter: float) -> Outcome:
    """Any 2xx is a delivery. 410 Gone and an address that may not be reached end it; everything else is tried again,
    ten times in all, over about four hours."""
    status, rounded = answered.status, round(seconds, 3)
    if answered.taken:
        return Outcome(delivered=True, seconds=rounded, status=status)
    error = answered.error or f"answered {status}"
    if answered.final or status == 410 or attempt >= MAX_TRIES:
        return Outcome(delivered=False, seconds=rounded, status=status, error=error)
    wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 3.0 ** (attempt - 1)) * (0.5 + jitter / 2)
    return Outcome(
        delivered=False, seconds=rounded, status=status, error=error, next_at=now + timedelta(seconds=wait_s)
    )


def _refusal() -> InvalidInput:
    return InvalidInput("urls_invalid", "the stored list of URLs is not what the submission says", field="data.urls")
