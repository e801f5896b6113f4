"""What goes out of step is named, and mended as the pipeline itself would have done it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from observe import tracing
from shared.contracts.payload import ObjectRef
from shared.objects import ObjectStore
from shared.pipeline.policy import PATIENT
from shared.store.costs import fold_costs, job_cost
from shared.store.index import IndexedChunk, swap_chunks
from shared.store.store import Store
from shared.verification.findings import Finding
from shared.verification.look import look
from shared.verification.mend import mend
from shared.verification.stored import unlike
from tests.fakes.telemetry import parent_id, recording, span_id, trace_id
from tests.shared.store.world import World

URL = "https://example.org/a"
TEXT = "one two three"


class Verified(World):
    """A world whose texts are really stored. `objects` must be set."""

    objects: ObjectStore

    async def index(self, url: str = URL) -> UUID:
        job = await self.submit([url])
        await self.travel()
        return job

    async def travel(self) -> None:
        """Every ready document goes all the way, with its text in the object store."""
        for claim in await self.scrape():
            ref = await self.objects.put(claim.corpus_id, "text", TEXT.encode())
            [request] = await self.apply(self.scraped(claim).model_copy(update={"text": ref}))
            await self.apply(
                self.chunked(request).model_copy(update={"chunks": await self._chunk_list(claim.corpus_id)})
            )
        for embedding in await self.embed():
            vectors = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
            pieces = [IndexedChunk(0, 0, 7, 2, "one two", vectors[0]), IndexedChunk(1, 8, 13, 1, "three", vectors[1])]
            assert await swap_chunks(self.store, embedding, pieces, self.now)
            await self.apply(self.embedded(embedding))

    async def _chunk_list(self, corpus_id: UUID) -> ObjectRef:
        return await self.objects.put(corpus_id, "chunks", b"[]")

    async def look(self, *, deep: bool = True, patience_s: float = 60) -> list[Finding]:
        return [one async for one in look(self.store, self.objects, self.now, patience_s=patience_s, deep=deep)]

    async def checks(self) -> list[str]:
        return [one.check for one in await self.look()]

    async def mend(self) -> None:
        await mend(self.store, await self.look(), self.now, PATIENT)


@pytest.fixture
async def world(database: str, tmp_path: Path) -> AsyncIterator[Verified]:
    async with await Store.open(database) as store:
        made = Verified(store)
        made.objects = ObjectStore.open(tmp_path.as_uri(), {})
        yield made


def texts(folder: Path) -> list[Path]:
    return list(folder.glob("corpora/*/text/*"))


async def test_a_platform_that_works_agrees_with_itself(world: Verified) -> None:
    await world.index()
    await world.submit(["https://example.org/waits", "https://example.org/in-hand"], corpus="other")
    await world.scrape(1)
    assert await world.look() == []


async def test_counts_are_added_up_anew(world: Verified) -> None:
    job = await world.index()
    await world.store.fetch("INSERT INTO job_deltas VALUES ($1, 'indexed', 2), ($1, 'failed', -1)", job)
    assert await world.checks() == ["counts_wrong", "counts_wrong"]
    await world.mend()
    assert await world.look() == []
    assert (await world.job(job)).counts == {"indexed": 1}


async def test_costs_are_added_up_anew_and_go_with_their_job(world: Verified) -> None:
    job = await world.index()
    await fold_costs(world.store)
    right = await job_cost(world.store, job)
    await world.store.fetch("UPDATE job_costs SET attempts = attempts + 5, scrape_cpu_s = 9")
    await world.store.fetch(
        "INSERT INTO job_costs SELECT gen_random_uuid(), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 FROM generate_series(1, 2)"
    )
    assert await world.checks() == ["costs_wrong"] * 3
    await world.mend()
    assert await world.look() == []
    assert await job_cost(world.store, job) == right
    assert await world.store.pool.fetchval("SELECT count(*) FROM job_costs") == 1


async def test_a_job_that_nobody_ended_ends(world: Verified) -> None:
    job = await world.index()
    await world.store.fetch("UPDATE jobs SET state = 'running', ended_at = NULL")
    assert await world.look() == [], "it may only just have come to its end"
    world.after(61)
    assert await world.checks() == ["job_not_ended"]
    await world.mend()
    assert (await world.job(job)).status == "completed"


async def test_a_job_that_ended_too_early_goes_on(world: Verified) -> None:
    job = await world.submit([URL])
    await world.store.fetch("UPDATE jobs SET state = 'completed', ended_at = now()")
    assert await world.checks() == ["job_ended_early"]
    await world.mend()
    assert (await world.job(job)).status == "running"
    await world.travel()
    assert (await world.job(job)).status == "completed"


async def test_a_job_without_its_documents_needs_a_person(world: Verified) -> None:
    await world.submit([URL, "https://example.org/b"])
    await world.store.fetch("DELETE FROM documents WHERE url = $1", URL)
    await world.mend()
    [finding] = await world.look()
    assert (finding.check, finding.mend) == ("documents_lost", None)
    assert "submit the job again" in finding.sentence


async def test_what_should_have_happened_long_ago_happens(world: Verified) -> None:
    await world.submit([URL, "https://example.org/b"])
    [first, _second] = await world.scrape()
    ref = await world.objects.put(first.corpus_id, "text", TEXT.encode())
    await world.apply(world.scraped(first).model_copy(update={"text": ref}))
    await world.store.fetch("UPDATE outbox SET published_at = NULL, due_at = $1", world.now)
    world.after(3600)
    assert set(await world.checks()) == {"lease_overdue", "request_overdue", "event_overdue"}
    await world.mend()
    assert await world.look() == []


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM chunks WHERE ordinal = 0",
        "UPDATE chunks SET ordinal = 5 WHERE ordinal = 1",
        "INSERT INTO chunks SELECT * FROM chunks WHERE ordinal = 0",
        "UPDATE chunks SET embedding = '[1,2]' WHERE ordinal = 1",
    ],
)
async def test_a_damaged_page_is_fetched_again_and_searchable_meanwhile(world: Verified, damage: str) -> None:
    job = await world.index()
    await world.store.fetch(damage)
    assert "page_broken" in await world.checks()
    await world.mend()
    assert (await world.job(job)).counts == {"pending": 1}
    assert await world.store.fetch("SELECT 1 FROM chunks"), "what is left of it stays until it is replaced"
    await world.travel()
    assert await world.look() == []
    assert (await world.job(job)).status == "completed"


async def test_a_page_that_is_gone_is_fetched_again(world: Verified) -> None:
    job = await world.index()
    await world.store.fetch("DELETE FROM pages")
    assert await world.checks() == ["page_missing"]
    with recording() as recorded:
        await world.mend()
        await world.travel()
        assert await world.look() == []
        assert (await world.job(job)).counts == {"indexed": 1}
        replay = recorded.one("replay")
        root, again = (tracing.document(UUID(trace_id(replay)), at) for at in (None, world.now))
        assert (span_id(replay), parent_id(replay)) == (again.span_id, root.span_id), "it had ended, and has its root"


async def test_a_page_under_way_whose_text_is_lost_goes_on_in_the_same_life(world: Verified, tmp_path: Path) -> None:
    await world.submit([URL])
    [claim] = await world.scrape()
    ref = await world.objects.put(claim.corpus_id, "text", TEXT.encode())
    await world.apply(world.scraped(claim).model_copy(update={"text": ref}))
    for text in texts(tmp_path):
        text.unlink()
    with recording() as recorded:
        await world.mend()
        await world.travel()
        assert [span.name for span in recorded.spans()] == ["document"]


async def test_a_page_whose_documents_are_gone_needs_a_person(world: Verified) -> None:
    await world.index()
    await world.store.fetch("DELETE FROM chunks")
    await world.store.fetch("DELETE FROM jobs")
    [finding] = await world.look(deep=False)
    assert (finding.check, finding.mend) == ("page_broken", None)
    assert "submit its URL again" in finding.sentence


async def test_lost_and_damaged_objects_are_made_again(world: Verified, tmp_path: Path) -> None:
    await world.index()
    [text] = texts(tmp_path)
    text.write_text("something else")
    assert await world.look(deep=False) == []
    assert await world.checks() == ["object_corrupt"]
    text.unlink()
    assert await world.checks() == ["object_missing"]
    await world.mend()
    await world.travel()
    assert await world.look() == []
    assert text.read_text() == TEXT


async def test_an_object_that_work_waits_for_is_made_again(world: Verified, tmp_path: Path) -> None:
    job = await world.submit([URL])
    [claim] = await world.scrape()
    ref = await world.objects.put(claim.corpus_id, "text", TEXT.encode())
    await world.apply(world.scraped(claim).model_copy(update={"text": ref}))
    for text in texts(tmp_path):
        text.unlink()
    assert await world.checks() == ["object_missing"]
    await world.mend()
    assert (await world.job(job)).counts == {"pending": 1}
    await world.travel()
    assert await world.look() == []


async def test_a_passage_that_is_not_in_its_text_is_found(world: Verified) -> None:
    await world.index()
    await world.store.fetch("UPDATE chunks SET text = 'lies' WHERE ordinal = 1")
    [finding] = await world.look()
    assert finding.check == "text_mismatch"
    await world.mend()
    await world.travel()
    assert await world.look() == []


def passage(ordinal: int, start: int, end: int, text: str) -> dict[str, object]:
    return {"ordinal": ordinal, "start_at": start, "end_at": end, "text": text}


def test_passages_cover_their_text_but_for_white_space() -> None:
    good = [passage(0, 0, 7, "one two"), passage(1, 4, 13, "two three")]
    assert unlike("one two three\n", good) is None  # type: ignore[arg-type]
    assert unlike("a\0b", [passage(0, 0, 3, "a b")]) is None  # type: ignore[list-item]
    assert unlike("", []) is None
    assert "end of the text" in str(unlike(TEXT, [passage(0, 0, 7, "one two")]))  # type: ignore[list-item]
    assert "before passage 0" in str(unlike(TEXT, [passage(0, 4, 13, "two three")]))  # type: ignore[list-item]
    assert "passage 0 is not" in str(unlike(TEXT, [passage(0, 0, 3, "two")]))  # type: ignore[list-item]


async def test_it_waits_as_long_as_it_is_told(world: Verified) -> None:
    await world.submit([URL])
    await world.scrape()
    world.now += timedelta(seconds=70)
    assert [one.check for one in await world.look(patience_s=5)] == ["lease_overdue"]
    assert await world.look(patience_s=30) == []


async def test_a_page_that_asked_not_to_be_found_is_not_missed(world: Verified) -> None:
    await world.index()
    world.after(10)
    await world.submit([URL])
    [claim] = await world.scrape()
    await world.apply(world.failed(claim, "permanent").model_copy(update={"code": "page_noindex"}))
    assert await world.look() == []
