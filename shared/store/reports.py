"""What the callback of outside workers must know of a document, whoever's it is."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from shared.contracts.stages import FailedStage
from shared.pipeline.states import IN_HAND, WAITS_IN
from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("reports")


@dataclass(frozen=True, slots=True)
class Reported:
    """`siblings`: whether its job has other documents."""

    id: UUID
    job_id: UUID
    corpus_id: UUID
    url: str
    state: str
    token: int
    siblings: bool

    def awaits(self, stage: FailedStage) -> bool:
        """Whether a result of this stage is still of use."""
        return self.state in (WAITS_IN[stage], IN_HAND[stage])


async def documents(store: Store, job_id: UUID, document_id: UUID | None) -> list[Reported]:
    """The one that is named, or the first two of the job."""
    return [Reported(**row) for row in await store.fetch(_SQL["documents"], job_id, document_id)]


async def indexed(store: Store, document_id: UUID) -> dict[str, Any] | None:
    """The page that search sees of this very document: chunks, tokens, model and dimension."""
    row = await store.fetch_row(_SQL["indexed"], document_id)
    return dict(row) if row else None
