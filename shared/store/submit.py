"""Takes a job in: its corpus, documents, domains and counts, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.contracts.jobs import JobSubmitted
from shared.events.event import CloudEvent
from shared.store.store import Store


@dataclass(frozen=True, slots=True)
class CorpusDefaults:
    """What a corpus gets when its first job arrives, and the pace of a domain met for the first time."""

    model: str
    dimension: int
    chunk_max_tokens: int
    chunk_overlap_tokens: int
    domain_delay_s: float


async def submit_job(
    store: Store,
    event: CloudEvent,
    payload: JobSubmitted,
    urls: Sequence[str],
    defaults: CorpusDefaults,
    now: datetime,
) -> list[CloudEvent]:
    """The events to send on; none for a job that is already known."""
    raise NotImplementedError
