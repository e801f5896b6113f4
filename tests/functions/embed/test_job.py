"""A wake-up's work, on the real store: documents in, vectors and events out."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from observe import tracing
from observe.vocabulary import strangers
from shared.contracts.stages import DocumentEmbedded, StageFailed
from shared.objects import ObjectStore
from shared.store.claims import claim_embed
from shared.store.store import Store
from shared.workqueue.drain import DrainReport
from tests.fakes.embeddings import FakeEmbeddings, vector_of
from tests.fakes.sink import Sink
from tests.fakes.telemetry import parent_id, recording, span_id, trace_id
from tests.functions.embed.world import DIMENSION, add_chunked, desk, now, slices, variables
from tests.local_http import closed_port, until

TEXTS = [f"{n:03} " + "what a page says " * (n % 7) for n in range(30)]


async def nothing() -> None:
    pass


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(f"file://{tmp_path}/objects", {})


async def run(env: dict[str, str], sink: Sink, stop: asyncio.Event | None = None) -> DrainReport:
    stop = stop or asyncio.Event()
    async with desk(env, sink) as opened:
        report = await opened.drain(stop, nothing)
        await opened.index(stop)
    return report


async def stored(store: Store, document: UUID) -> list[tuple[str, list[float]]]:
    rows = await store.fetch(
        "SELECT c.text, c.embedding::real[] AS vector FROM chunks c JOIN pages p ON p.id = c.page_id"
        " WHERE p.document_id = $1 ORDER BY c.ordinal",
        document,
    )
    return [(row["text"], row["vector"]) for row in rows]


async def test_every_document_is_indexed_and_reported_by_itself(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path
) -> None:
    documents = await add_chunked(store, objects, TEXTS)
    fake, sink = FakeEmbeddings(DIMENSION), Sink()
    async with fake.serving() as endpoint:
        report = await run(variables(database, tmp_path, endpoint), sink)
    assert report == DrainReport(claimed=30, published=30)
    for document, text in zip(documents, TEXTS, strict=True):
        assert await stored(store, document) == [
            (piece, vector_of(piece, DIMENSION).tolist()) for piece in slices(text)
        ]
    payloads = sink.payloads(DocumentEmbedded)
    assert {event.subject for event in sink.events} == {str(document) for document in documents}
    assert all(one.dimension == DIMENSION for one in payloads)
    assert len(fake.batches) <= 3, "documents share batches"


async def test_a_document_without_chunks_is_indexed_without_asking(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path
) -> None:
    await add_chunked(store, objects, [""])
    fake, sink = FakeEmbeddings(DIMENSION), Sink()
    async with fake.serving() as endpoint:
        await run(variables(database, tmp_path, endpoint), sink)
    [embedded] = sink.payloads(DocumentEmbedded)
    assert (embedded.chunks, embedded.tokens, fake.batches) == (0, 0, [])


async def test_a_bad_document_costs_only_itself(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path
) -> None:
    documents = await add_chunked(store, objects, ["good one", "POISON", "good two"])
    sink = Sink()
    async with FakeEmbeddings(DIMENSION, poison={"POISON": "413"}).serving() as endpoint:
        await run(variables(database, tmp_path, endpoint), sink)
    [failed] = sink.payloads(StageFailed)
    assert (failed.document_id, failed.stage, failed.kind) == (documents[1], "embedding", "permanent")
    assert failed.code == "chunk_too_long"
    assert len(sink.payloads(DocumentEmbedded)) == 2


@pytest.mark.parametrize("mode", ["wrong-dimension", "not-json"])
async def test_nonsense_is_a_clear_failure_and_nothing_is_stored(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path, mode: str
) -> None:
    [document] = await add_chunked(store, objects, ["one chunk"])
    sink = Sink()
    async with FakeEmbeddings(DIMENSION, mode=mode).serving() as endpoint:
        await run(variables(database, tmp_path, endpoint), sink)
    [failed] = sink.payloads(StageFailed)
    assert failed.kind == "transient"
    assert failed.code in ("embedding_wrong_dimension", "embedding_bad_answer")
    assert await stored(store, document) == []


async def test_an_endpoint_that_is_down_is_a_transient_failure(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path
) -> None:
    await add_chunked(store, objects, ["one chunk"])
    sink = Sink()
    await run(variables(database, tmp_path, f"http://127.0.0.1:{closed_port()}/v1"), sink)
    [failed] = sink.payloads(StageFailed)
    assert (failed.kind, failed.code) == ("transient", "embedding_unavailable")


async def test_a_text_that_is_gone_fails_its_document(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path
) -> None:
    await add_chunked(store, objects, ["kept", "gone"])
    gone = next(path for path in (tmp_path / "objects").rglob("text/*") if path.read_text() == "gone")
    gone.unlink()
    sink = Sink()
    async with FakeEmbeddings(DIMENSION).serving() as endpoint:
        await run(variables(database, tmp_path, endpoint), sink)
    [failed] = sink.payloads(StageFailed)
    assert failed.code == "object_missing"
    assert len(sink.payloads(DocumentEmbedded)) == 1


async def test_an_outage_of_our_own_store_costs_no_try(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path
) -> None:
    await add_chunked(store, objects, ["one", "two"])
    folder, sink = tmp_path / "objects" / "corpora", Sink()
    folder.rename(tmp_path / "away")
    folder.write_text("not a folder")
    async with FakeEmbeddings(DIMENSION).serving() as endpoint:
        report = await run(variables(database, tmp_path, endpoint), sink)
    assert (report, sink.events) == (DrainReport(claimed=2, released=2), [])
    rows = await store.fetch("SELECT state, attempt, not_before FROM documents")
    assert [(row["state"], row["attempt"], row["not_before"] > now()) for row in rows] == [("embedding", 0, True)] * 2


async def test_stopped_in_the_middle_it_gives_everything_back_at_once(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path
) -> None:
    await add_chunked(store, objects, TEXTS[:5])
    fake, sink, stop = FakeEmbeddings(DIMENSION, mode="slow"), Sink(), asyncio.Event()
    async with fake.serving() as endpoint:
        running = asyncio.create_task(run(variables(database, tmp_path, endpoint), sink, stop))
        await until(lambda: bool(fake.batches))
        stop.set()
        assert (await running).released == 5
        fake.slow_s = 0
    assert sink.events == []
    assert len(await claim_embed(store, 10, 10_000, 60, now())) == 5


async def test_a_claim_that_was_lost_says_nothing_and_writes_nothing(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path
) -> None:
    [document] = await add_chunked(store, objects, ["one chunk"])
    fake, sink = FakeEmbeddings(DIMENSION, delay_s=0.2), Sink()
    async with fake.serving() as endpoint:
        running = asyncio.create_task(run(variables(database, tmp_path, endpoint), sink))
        await until(lambda: bool(fake.batches))
        await store.fetch("UPDATE documents SET token = token + 1 WHERE id = $1", document)
        report = await running
    assert (report.claimed, report.published, sink.events) == (1, 0, [])
    assert await stored(store, document) == []


async def test_a_corpus_that_grew_large_gets_its_index(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path
) -> None:
    await add_chunked(store, objects, TEXTS, corpus="large")
    async with FakeEmbeddings(DIMENSION).serving() as endpoint:
        await run(variables(database, tmp_path, endpoint, VECTOR_INDEX_THRESHOLD="20"), Sink())
    [row] = await store.fetch("SELECT vector_index FROM corpora")
    assert row["vector_index"] == "ready"


async def test_while_it_works_it_sweeps_for_everybody(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path
) -> None:
    await add_chunked(store, objects, ["one chunk"])
    await store.fetch("UPDATE outbox SET due_at = now() - interval '1 minute', published_at = NULL")
    waiting = len(await store.fetch("SELECT 1 FROM outbox"))
    sink = Sink()
    async with (
        FakeEmbeddings(DIMENSION).serving() as endpoint,
        desk(variables(database, tmp_path, endpoint), sink) as d,
    ):
        await d.worker.sweep()
    assert waiting
    assert len(sink.events) >= waiting
    assert await store.fetch("SELECT 1 FROM outbox WHERE published_at IS NULL") == []


async def test_documents_that_share_a_batch_are_linked_to_it(
    store: Store, database: str, objects: ObjectStore, tmp_path: Path
) -> None:
    with recording() as recorded:
        documents = await add_chunked(store, objects, TEXTS[1:4])
        async with FakeEmbeddings(DIMENSION).serving() as endpoint:
            with tracing.span("wake-up", kind="consumer", about={"queue.name": "embed"}):
                await run(variables(database, tmp_path, endpoint), Sink())
        [batch] = recorded.named("embedding batch")
        parts = {trace_id(span): span for span in recorded.named("embeddings")}
        assert parts.keys() == {document.hex for document in documents}
        linked = {f"{link.context.span_id:016x}" for link in batch.links}
        assert {parent_id(batch), *linked} == {span_id(span) for span in parts.values()}
        assert parent_id(batch) not in linked
        for stage in recorded.named("embed"):
            part, said = parts[trace_id(stage)], stage.attributes or {}
            assert parent_id(part) == span_id(stage)
            assert {"job.id", "job.url"} <= said.keys()
            assert (said["job.stage"], said["queue.name"]) == ("embed", "embed")
            told = part.attributes or {}
            assert (told["operation"], told["embedding.model"]) == ("write", "all-MiniLM-L6-v2")
            assert isinstance(told["embedding.tokens"], int)
            shared = [f"{link.context.span_id:016x}" for link in part.links]
            assert shared == ([] if span_id(part) == parent_id(batch) else [span_id(batch)])
        assert not [span.name for span in recorded.spans() if strangers(span.attributes or {})]
