"""Looking at jobs, calling them off, sending failed pages again."""

import asyncio
import base64
from uuid import UUID, uuid4

from shared.contracts.jobs import JobCancelRequested, JobReplayRequested
from tests.gateway.conftest import ALICE, BOB, World, insert_job, problem

JOBS = "/api/orchestrator/jobs"


async def test_a_job_shows_its_counts_and_they_add_up(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["pending", "indexed", "indexed", "failed"])
    body = (await world.client.get(f"{JOBS}/{job_id}")).json()
    assert body["job_id"] == str(job_id)
    assert body["status"] == "running"
    assert body["documents"] == 4 == sum(body["counts"].values())
    assert (body["counts"]["indexed"], body["counts"]["failed"], body["counts"]["scraping"]) == (2, 1, 0)
    assert body["ended_at"] is None
    assert body["seconds"] >= 0


async def test_documents_come_in_pages_until_there_are_no_more(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["indexed", "failed", "pending"] * 3)
    seen, cursor = [], None
    while True:
        query = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        page = (await world.client.get(f"{JOBS}/{job_id}/documents", params=query)).json()
        seen += page["documents"]
        cursor = page["next"]
        if cursor is None:
            break
    assert [one["url"] for one in seen] == [f"https://example.org/{n}" for n in range(9)]
    assert seen[0]["chunks"] == 3
    failed = (await world.client.get(f"{JOBS}/{job_id}/documents", params={"status": "failed"})).json()
    assert len(failed["documents"]) == 3
    assert failed["next"] is None
    one = failed["documents"][0]
    assert (one["stage"], one["error_code"], one["error_message"]) == ("scraping", "http_404", "the page is gone")


async def test_jobs_are_listed_newest_first_page_by_page(world: World) -> None:
    made = [str(await insert_job(world.store, ALICE, ["pending"])) for _ in range(5)]
    first = (await world.client.get(JOBS, params={"limit": 3})).json()
    rest = (await world.client.get(JOBS, params={"limit": 3, "cursor": first["next"]})).json()
    assert [job["job_id"] for job in first["jobs"] + rest["jobs"]] == made[::-1]
    assert rest["next"] is None
    assert (await world.client.get(JOBS, params={"status": "completed"})).json()["jobs"] == []


async def test_what_belongs_to_another_caller_does_not_exist(world: World) -> None:
    job_id = await insert_job(world.store, BOB, ["failed"])
    assert (await world.client.get(JOBS)).json()["jobs"] == []
    for method, path in (("GET", ""), ("GET", "/documents"), ("POST", "/cancel"), ("POST", "/replay")):
        theirs = problem(await world.client.request(method, f"{JOBS}/{job_id}{path}"), 404)
        nobodys = problem(await world.client.request(method, f"{JOBS}/{uuid4()}{path}"), 404)
        assert (theirs["code"], theirs["detail"]) == (nobodys["code"], nobodys["detail"])
    assert world.behind.events == []


async def test_cancel_tells_the_orchestrator(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["pending"])
    answer = await world.client.post(f"{JOBS}/{job_id}/cancel")
    assert answer.status_code == 202
    assert answer.json()["job_id"] == str(job_id)
    assert [payload for _, payload in world.behind.events] == [JobCancelRequested(job_id=job_id, caller_id=ALICE)]


async def test_an_ended_job_is_not_cancelled(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["indexed"], status="completed")
    assert problem(await world.client.post(f"{JOBS}/{job_id}/cancel"), 409)["code"] == "job_ended"
    assert world.behind.events == []


async def test_replay_names_documents_and_stage_or_neither(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["failed", "failed", "indexed"], status="completed_with_errors")
    document_id = uuid4()
    assert (await world.client.post(f"{JOBS}/{job_id}/replay")).status_code == 202
    body = {"document_ids": [str(document_id)], "from_stage": "chunk"}
    assert (await world.client.post(f"{JOBS}/{job_id}/replay", json=body)).status_code == 202
    assert [payload for _, payload in world.behind.events] == [
        JobReplayRequested(job_id=job_id, caller_id=ALICE),
        JobReplayRequested(job_id=job_id, caller_id=ALICE, document_ids=(document_id,), from_stage="chunk"),
    ]
    bad = await world.client.post(f"{JOBS}/{job_id}/replay", json={"from_stage": "sleep"})
    assert problem(bad, 422)["field"] == "from_stage"


async def test_replay_without_failures_is_a_conflict(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["indexed"], status="completed")
    assert problem(await world.client.post(f"{JOBS}/{job_id}/replay"), 409)["code"] == "nothing_failed"


async def test_waiting_ends_when_something_changes(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["pending"])
    waiting = asyncio.create_task(world.client.get(f"{JOBS}/{job_id}", params={"wait": 20}, timeout=25))
    while not waiting.done():  # the gateway takes its first look at a time of its own
        await _move(world, job_id)
        await asyncio.wait({waiting}, timeout=0.3)
    answer = await waiting
    assert answer.json()["counts"]["indexed"] > 0
    assert answer.elapsed.total_seconds() < 10


async def test_waiting_is_not_for_jobs_that_ended(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["indexed"], status="completed")
    answer = await world.client.get(f"{JOBS}/{job_id}", params={"wait": 20})
    assert answer.json()["status"] == "completed"
    assert answer.elapsed.total_seconds() < 5


BEFORE_TIME = base64.b64encode(b"0001-01-01T00:00:00+23:59").decode()


async def test_a_cursor_nobody_gave_is_refused(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["indexed"])
    for cursor in ("nonsense!", "bm9wZQ", "LTU", "OTk5OTk5OTk5OTk5", BEFORE_TIME):
        for path in ("", f"/{job_id}/documents"):
            answer = await world.client.get(JOBS + path, params={"cursor": cursor})
            assert problem(answer, 422)["field"] == "cursor"


async def _move(world: World, job_id: UUID) -> None:
    deltas = "INSERT INTO job_deltas (job_id, state, n) VALUES ($1, 'pending', -1), ($1, 'indexed', 1)"
    await world.store.pool.execute(deltas, job_id)
