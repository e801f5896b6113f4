"""The callback of workers outside the platform."""

import hashlib
from typing import Any

from shared.contracts.documents import ChunkList, ChunkSpan
from tests.gateway.conftest import ALICE, World, problem

JOBS = "/api/orchestrator/jobs"
URLS = ["https://example.org/a", "https://example.org/b"]
TEXT = b"Leases expire. The sweeper wakes the work again."


async def report(world: World, job: object, **body: Any) -> Any:
    answer = await world.client.post(f"{JOBS}/{job}/complete", json=body, headers=world.internal())
    assert answer.status_code == 200, answer.text
    return answer.json()


async def store(world: World, kind: str, content: bytes) -> str:
    corpus_id = await world.store.pool.fetchval("SELECT id FROM corpora WHERE caller_id = $1", ALICE)
    key = f"corpora/{corpus_id}/{kind}/{hashlib.sha256(content).hexdigest()}"
    path = world.objects / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return key


def chunk_list() -> bytes:
    spans = (ChunkSpan(start=0, end=14, tokens=4), ChunkSpan(start=15, end=48, tokens=8))
    text = ChunkList(text_sha256=hashlib.sha256(TEXT).hexdigest(), chunker="theirs-1", spans=spans)
    return text.model_dump_json().encode()


async def test_a_page_travels_by_reports_alone(world: World) -> None:
    await world.works()
    job = await world.pipeline.submit(URLS[:1], caller=ALICE)
    scraped = {"stage": "scraping", "status": "success", "content_ref": await store(world, "text", TEXT)}
    first = await report(world, job, **scraped)
    assert first["status"] == "chunking"
    assert await report(world, job, **scraped) == first, "again, it changes nothing"
    chunked = {"stage": "chunking", "status": "success", "content_ref": await store(world, "chunks", chunk_list())}
    assert (await report(world, job, **chunked))["status"] == "embedding"
    early = await world.client.post(
        f"{JOBS}/{job}/complete", json={"stage": "embedding", "status": "success"}, headers=world.internal()
    )
    assert problem(early, 409)["code"] == "not_indexed"
    [claim] = await world.pipeline.embed()
    assert (claim.count, claim.tokens) == (2, 12)
    assert await world.pipeline.swap(claim)
    assert (await report(world, job, stage="embedding", status="success"))["status"] == "indexed"
    assert (await world.pipeline.job(job, ALICE)).status == "completed"


async def test_a_failure_is_the_documents_diagnosis(world: World) -> None:
    await world.works()
    job = await world.pipeline.submit(URLS[:1], caller=ALICE)
    failed = {"stage": "scraping", "status": "failed", "error_code": "max_retries_exceeded", "error_message": "no"}
    assert (await report(world, job, **failed))["status"] == "failed"
    [row] = await world.pipeline.documents(job, ALICE)
    assert (row.error_stage, row.error_code, row.error_message) == ("scraping", "max_retries_exceeded", "no")


async def test_in_a_job_of_several_the_document_and_its_token_are_named(world: World) -> None:
    await world.works()
    job = await world.pipeline.submit(URLS, caller=ALICE)
    one, other = await world.pipeline.documents(job, ALICE)
    failed = {"stage": "scraping", "status": "failed", "error_code": "http_404"}
    for body, field in ((failed, "document_id"), (failed | {"document_id": str(one.id)}, "token")):
        answer = await world.client.post(f"{JOBS}/{job}/complete", json=body, headers=world.internal())
        assert problem(answer, 422)["field"] == field
    assert (await report(world, job, **failed, document_id=str(one.id), token=one.token))["status"] == "failed"
    [claim] = await world.pipeline.scrape()
    late = await report(world, job, **failed, document_id=str(other.id), token=other.token)
    assert (late["status"], late["token"]) == ("scraping", claim.token), "a worker of ours has claimed it since"


async def test_what_is_not_of_the_corpus_is_no_content(world: World) -> None:
    await world.works()
    job = await world.pipeline.submit(URLS[:1], caller=ALICE)
    key = await store(world, "text", TEXT)
    for ref in (key.replace("/text/", "/chunks/"), "corpora/x/text/" + "a" * 64, key[:-4] + "0000", "../../etc/passwd"):
        body = {"stage": "scraping", "status": "success", "content_ref": ref}
        answer = await world.client.post(f"{JOBS}/{job}/complete", json=body, headers=world.internal())
        assert problem(answer, 422)["code"] == "content_ref_unknown", ref
    for body in ({"stage": "scraping", "status": "success"}, {"stage": "scraping", "status": "failed"}):
        answer = await world.client.post(f"{JOBS}/{job}/complete", json=body, headers=world.internal())
        problem(answer, 422)


async def test_nobody_else_may_report(world: World) -> None:
    await world.works()
    job = await world.pipeline.submit(URLS[:1], caller=ALICE)
    body = {"stage": "scraping", "status": "failed", "error_code": "http_404"}
    answer = await world.client.post(f"{JOBS}/{job}/complete", json=body)
    assert problem(answer, 403)["code"] == "internal_only"
    unknown = f"{JOBS}/00000000-0000-4000-8000-000000000000/complete"
    assert problem(await world.client.post(unknown, json=body, headers=world.internal()), 404)
