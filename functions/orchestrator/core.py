"""What a submission's URL list says, and what a dead letter means for its document. No I/O."""

import json

from shared.contracts.payload import Payload
from shared.contracts.stages import ChunkRequested, StageFailed
from shared.errors import InvalidInput

MAX_URL_CHARS = 2048


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


def _refusal() -> InvalidInput:
    return InvalidInput("urls_invalid", "the stored list of URLs is not what the submission says", field="data.urls")
