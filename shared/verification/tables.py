"""Whether the tables agree with one another."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.store.queries import load
from shared.store.store import Store
from shared.verification.findings import Check, Finding

_SQL: Final = load("verify")


async def jobs_and_waits(store: Store, overdue_since: datetime) -> AsyncIterator[Finding]:
    """What was due before `overdue_since` and did not happen counts as forgotten."""
    async for finding in _jobs(store, overdue_since):
        yield finding
    for row in await store.fetch(_SQL["overdue_leases"], overdue_since):
        sentence = f"the lease of {row['url']} ran out at {_at(row['lease_until'])}, and nobody took it back"
        yield Finding("lease_overdue", row["id"], sentence, "sweep")
    for row in await store.fetch(_SQL["overdue_requests"], overdue_since):
        sentence = f"the chunks of {row['url']} should have been asked for again at {_at(row['not_before'])}"
        yield Finding("request_overdue", row["id"], sentence, "sweep")
    for row in await store.fetch(_SQL["overdue_events"], overdue_since):
        sentence = f"the event {row['type']} should have been sent at {_at(row['due_at'])}"
        yield Finding("event_overdue", row["id"], sentence, "sweep")


async def _jobs(store: Store, overdue_since: datetime) -> AsyncIterator[Finding]:
    for row in await store.fetch(_SQL["counts"]):
        sentence = f"{row['found']} documents are {row['state']}, but {row['counted']} are counted"
        yield Finding("counts_wrong", row["job_id"], sentence, "recount")
    for row in await store.fetch(_SQL["costs"]):
        sentence = (
            "the job is gone, but what it cost is not" if row["orphaned"] else "it cost another sum than its pages"
        )
        yield Finding("costs_wrong", row["job_id"], sentence, "recount_costs")
    for row in await store.fetch(_SQL["not_ended"], overdue_since):
        yield Finding("job_not_ended", row["id"], "all its documents ended, but the job did not", "end_job")
    for row in await store.fetch(_SQL["ended_early"]):
        sentence = f"the job ended while {row['unfinished']} of its documents are unfinished"
        yield Finding("job_ended_early", row["id"], sentence, "reopen_job")
    for row in await store.fetch(_SQL["documents_lost"]):
        sentence = f"{row['total']} documents were accepted, but there are {row['found']}: submit the job again"
        yield Finding("documents_lost", row["id"], sentence, None)


async def corpora(store: Store) -> list[tuple[UUID, str]]:
    """Ids and names."""
    return [(row["id"], row["name"]) for row in await store.fetch(_SQL["corpora"])]


async def pages(store: Store, corpus_id: UUID) -> AsyncIterator[Finding]:
    """Indexed means: exactly its chunks, in order, with vectors of the corpus's size."""
    for row in await store.fetch(_SQL["broken_pages"], corpus_id):
        wrong = "vectors of another size" if row["misfit"] else f"{row['found']} chunks, not {row['expected']} in order"
        yield await of_page(store, row["id"], row["document_id"], "page_broken", f"{row['url']} has {wrong}")
    for row in await store.fetch(_SQL["documents_without_page"], corpus_id):
        sentence = f"{row['url']} is {row['state']}, but search has nothing of it"
        yield Finding("page_missing", row["id"], sentence, "refetch", row["id"])


async def of_page(store: Store, page_id: UUID, subject: UUID, check: Check, sentence: str) -> Finding:
    """A finding about a page: the last document of its URL is to be fetched again."""
    row = await store.fetch_row(_SQL["document_of_page"], page_id)
    if row is None:
        return Finding(check, subject, f"{sentence}; no document of it is left: submit its URL again", None)
    return Finding(check, subject, sentence, "refetch", row["id"])


def _at(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
