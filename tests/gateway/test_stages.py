"""The stage routes: called and waited for, or handed work for later."""

import asyncio
import re
from pathlib import Path
from uuid import uuid4

import pytest
from starlette.responses import JSONResponse, Response

from gateway import http_triggers
from shared.contracts.jobs import JobSubmitted
from shared.errors import InvalidInput
from tests.gateway.conftest import ALICE, ROOT, World, gateway_on, insert_job, problem

SYNC = {"/api/scraper/scrape": "scrape", "/api/chunking/chunk": "chunk", "/api/embedding/embed": "embed"}
INSTEAD = {
    "/api/scraper/scrape": "POST /api/scraper/enqueue",
    "/api/chunking/chunk": "POST /api/orchestrator/jobs",
    "/api/embedding/embed": "POST /api/embedding/enqueue",
}
PAGE = {"url": "https://example.org/a#top", "corpus": "handbook"}
ENQUEUE = {"/api/scraper/enqueue": PAGE, "/api/embedding/enqueue": PAGE | {"text": "Leases expire.", "title": "A note"}}
# What the edge waits for an answer, from the source documents.
EDGE_S = {"scraper": 35, "chunking": 15, "embedding": 65}


@pytest.mark.parametrize("path", SYNC)
async def test_a_call_goes_to_its_function_with_the_callers_own_key(path: str, world: World) -> None:
    answer = await world.client.post(path, json={"any": "thing"})
    assert (answer.status_code, answer.json()) == (200, {"done": True})
    assert answer.headers["content-type"] == "application/json"
    assert world.behind.calls == [(SYNC[path], "slk_alice-key", {"any": "thing"})]


async def test_what_the_function_refuses_is_a_problem_that_names_the_field(world: World) -> None:
    async def refuse() -> Response:
        return JSONResponse({"error": "url_missing", "message": "send a url", "field": "url"}, 400)

    world.behind.stage_answer = refuse
    body = problem(await world.client.post("/api/scraper/scrape", json={}), 422)
    assert (body["code"], body["field"]) == ("url_missing", "url")


@pytest.mark.parametrize("path", SYNC)
async def test_whoever_waits_too_long_is_told_what_to_use_instead(path: str, database: str, tmp_path: Path) -> None:
    never = asyncio.Event()

    async def hang() -> Response:
        await asyncio.wait_for(never.wait(), 20)
        return Response()

    async with gateway_on(database, tmp_path, sync_timeout_s=0.2) as (behind, client):
        behind.stage_answer = hang
        answer = await client.post(path, json={})
        never.set()
    body = problem(answer, 504)
    assert body["code"] == "sync_timeout"
    assert INSTEAD[path] in body["detail"]


def test_every_call_is_answered_before_the_edge_gives_up() -> None:
    for route in http_triggers.load(ROOT / "triggers"):
        if route.mode == "sync":
            assert route.timeout_s < EDGE_S[route.path.split("/")[2]]
            assert route.instead


@pytest.mark.parametrize("path", ENQUEUE)
async def test_work_is_queued_as_a_job_that_can_be_followed(path: str, world: World) -> None:
    await world.works()
    answer = await world.client.post(path, json=ENQUEUE[path])
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert body == {"job_id": body["job_id"], "status": "queued"}
    job = (await world.client.get(answer.headers["location"])).json()
    assert (job["job_id"], job["corpus"], job["documents"]) == (body["job_id"], "handbook", 1)
    _, payload = world.behind.events[-1]
    assert isinstance(payload, JobSubmitted)
    assert (payload.caller_id, payload.announced) == (ALICE, False), "nobody asked to be called back"


@pytest.mark.parametrize("path", ENQUEUE)
async def test_a_job_id_asks_for_the_callback_and_makes_a_repetition_harmless(path: str, world: World) -> None:
    await world.works()
    asked = ENQUEUE[path] | {"job_id": str(uuid4())}
    first, again = [await world.client.post(path, json=asked) for _ in range(2)]
    assert first.json() == again.json() == {"job_id": asked["job_id"], "status": "queued"}
    _, payload = world.behind.events[-1]
    assert isinstance(payload, JobSubmitted)
    assert payload.announced
    assert await world.store.pool.fetchval("SELECT count(*) FROM documents") == 1
    other = await world.client.post(path, json=asked | {"url": "https://example.org/other"})
    assert problem(other, 422)["code"] == "idempotency_key_reused"
    theirs = await world.client.post(path, json=asked, headers=world.as_bob())
    assert problem(theirs, 409)["code"] == "job_id_taken"


async def test_a_text_of_the_callers_own_waits_for_its_chunks_and_is_not_fetched(world: World) -> None:
    await world.works()
    answer = await world.client.post("/api/embedding/enqueue", json=ENQUEUE["/api/embedding/enqueue"])
    [page] = (await world.client.get(answer.headers["location"] + "/documents")).json()["documents"]
    assert (page["status"], page["waiting"]) == ("chunking", "chunking")
    assert await world.store.pool.fetchval("SELECT scraped ->> 'title' FROM documents") == "A note"


@pytest.mark.parametrize(
    ("path", "state"), [("/api/scraper/enqueue", "pending"), ("/api/embedding/enqueue", "embedding")]
)
async def test_a_full_queue_takes_nothing_more(
    path: str, state: str, world: World, database: str, tmp_path: Path
) -> None:
    async with gateway_on(database, tmp_path, max_queue_depth=2) as (behind, client):
        await insert_job(world.store, ALICE, [state] * 2)
        assert (await client.post(path, json=ENQUEUE[path])).status_code == 202
        await insert_job(world.store, ALICE, [state])
        told = len(behind.events)
        answer = await client.post(path, json=ENQUEUE[path])
        assert problem(answer, 429)["code"] == "queue_full"
        assert answer.headers["retry-after"] == "30"
        assert len(behind.events) == told
        jobs = await client.post("/api/orchestrator/jobs", json={"url": "https://example.org/"})
        assert jobs.status_code == 202, "a job is taken, however long it may wait"


async def test_work_that_cannot_be_done_names_the_field(world: World) -> None:
    cases: list[tuple[str, object, str]] = [
        ("/api/scraper/enqueue", {}, "url"),
        ("/api/scraper/enqueue", {"url": "ftp://example.org"}, "url"),
        ("/api/scraper/enqueue", PAGE | {"job_id": "one"}, "job_id"),
        ("/api/scraper/enqueue", PAGE | {"text": "no"}, "text"),
        ("/api/embedding/enqueue", PAGE, "text"),
        ("/api/embedding/enqueue", PAGE | {"text": " \n"}, "text"),
    ]
    for path, body, field in cases:
        assert problem(await world.client.post(path, json=body), 422)["field"] == field
    assert world.behind.events == []


NEW_STAGE = """
kind: HTTPTrigger
metadata: {name: shout}
spec:
  path: /api/shouting/shout
  summary: The text, louder.
  function: shout
  mode: sync
  timeoutSeconds: 3
  request: {type: object, properties: {text: {type: string}}, example: {text: hello}}
"""


async def test_a_new_stage_needs_no_code_here(database: str, tmp_path: Path) -> None:
    (tmp_path / "http.yaml").write_text(NEW_STAGE)
    async with gateway_on(database, tmp_path, triggers_dir=tmp_path) as (behind, client):
        assert (await client.post("/api/shouting/shout", json={"text": "x"})).json() == {"done": True}
        assert behind.calls == [("shout", "slk_alice-key", {"text": "x"})]
        described = (await client.get("/openapi.json")).json()["paths"]["/api/shouting/shout"]["post"]
        assert described["summary"] == "The text, louder."
        assert described["requestBody"]["content"]["application/json"]["example"] == {"text": "hello"}
        assert (await client.post("/api/scraper/scrape", json={})).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("/api/shouting/shout", "/shout"), "spec.path"),
        (("mode: sync", "mode: later"), "spec.mode"),
        (("mode: sync", "mode: async"), "spec.mode"),
        (("timeoutSeconds: 3", "timeoutSeconds: soon"), "spec.timeoutSeconds"),
        (("function: shout", "functoin: shout"), "spec.function"),
        (("  mode: sync", "  mode: sync\n  retries: 3"), "spec.retries"),
        (("mode: sync", "mode: async\n  eventType: dev.sluice.shout.wanted.v1\n  queue: scrape"), "spec.eventType"),
        (("function: shout", "function: shoot"), "spec.function"),
        (("kind: HTTPTrigger", "kind: HTTPTriger"), "kind"),
        (("spec:", "specs: {}\nspec:"), "specs"),
    ],
)
def test_a_trigger_that_cannot_be_read_says_where(change: tuple[str, str], field: str, tmp_path: Path) -> None:
    folder = tmp_path / "triggers"
    folder.mkdir()
    (folder / "http.yaml").write_text(NEW_STAGE.replace(*change))
    with pytest.raises(InvalidInput) as error:
        http_triggers.load(folder, ["shout"])
    assert error.value.field == field
    place = re.match(r"triggers/http\.yaml:(\d+): shout: ", error.value.message)
    assert place, error.value.message
    assert 1 < int(place[1]) < len(NEW_STAGE.splitlines()) + 3
