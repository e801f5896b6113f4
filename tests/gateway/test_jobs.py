"""Looking at jobs, calling them off, sending failed pages again."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
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


async def test_progress_tells_how_fast_it_goes_and_when_it_may_end(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["pending"] * 3 + ["indexed"])
    await world.store.pool.execute("UPDATE jobs SET created_at = created_at - interval '10 s' WHERE id = $1", job_id)
    progress = (await world.client.get(f"{JOBS}/{job_id}")).json()["progress"]
    assert (progress["ended"], progress["fraction"]) == (1, 0.25)
    assert 0.01 < progress["rate_per_s"] <= 0.1
    assert progress["eta_s"] >= 30
    untouched = await insert_job(world.store, ALICE, ["pending"])
    progress = (await world.client.get(f"{JOBS}/{untouched}")).json()["progress"]
    assert progress == {"ended": 0, "fraction": 0.0, "rate_per_s": None, "eta_s": None}


async def test_a_replay_is_as_fast_as_it_is_not_as_slow_as_the_night_before(world: World) -> None:
    await world.works()
    job_id = await insert_job(world.store, ALICE, ["failed"] * 2 + ["indexed"] * 8, status="completed_with_errors")
    await world.store.pool.execute("UPDATE jobs SET created_at = created_at - interval '9 h' WHERE id = $1", job_id)
    job = (await world.client.post(f"{JOBS}/{job_id}/replay")).json()
    assert (job["status"], job["progress"]["ended"], job["progress"]["rate_per_s"]) == ("running", 8, None)
    await world.store.pool.execute("UPDATE jobs SET rated_from = rated_from - interval '2 s' WHERE id = $1", job_id)
    await _move(world, job_id)
    assert (await world.client.get(f"{JOBS}/{job_id}")).json()["progress"]["rate_per_s"] > 0.01


async def test_a_document_says_why_it_waits_and_until_when(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["pending"] * 3 + ["chunking", "indexed"])
    later = datetime.now(UTC) + timedelta(minutes=5)
    pool = world.store.pool
    await pool.execute("UPDATE documents SET not_before = $2 WHERE job_id = $1 AND ordinal = 0", job_id, later)
    await pool.execute("UPDATE documents SET domain = 'slow.org' WHERE job_id = $1 AND ordinal = 1", job_id)
    await pool.execute("INSERT INTO domains (domain, delay_s, next_at) VALUES ('slow.org', 1, $1)", later)
    await pool.execute("UPDATE documents SET ended_at = now() WHERE job_id = $1 AND ordinal = 4", job_id)
    found = (await world.client.get(f"{JOBS}/{job_id}/documents")).json()["documents"]
    waits = [(one["waiting"], one["next_try_at"] and datetime.fromisoformat(one["next_try_at"])) for one in found]
    assert waits == [("backoff", later), ("domain", later), ("queued", None), ("chunking", None), (None, None)]


async def test_one_document_is_shown_with_all_that_went_wrong(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["failed"])
    [page] = (await world.client.get(f"{JOBS}/{job_id}/documents")).json()["documents"]
    await world.store.pool.execute(
        "INSERT INTO failures (document_id, job_id, token, attempt, stage, kind, code, message, failed_at)"
        " SELECT $1, $2, n, n, 'scraping', 'transient', 'http_503', 'no', now() FROM generate_series(1, 3) n",
        *(UUID(page["document_id"]), job_id),
    )
    path = f"{JOBS}/{job_id}/documents/{page['document_id']}"
    detail = (await world.client.get(path)).json()
    assert [failure["attempt"] for failure in detail["failures"]] == [1, 2, 3]
    assert detail | {"failures": None} == page | {"failures": None}
    assert problem(await world.client.get(path, headers=world.as_bob()), 404)["code"] == "job_not_found"
    other = await insert_job(world.store, ALICE, ["failed"])
    elsewhere = await world.client.get(f"{JOBS}/{other}/documents/{page['document_id']}")
    assert problem(elsewhere, 404)["code"] == "document_not_found"


async def test_documents_are_found_by_their_error(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["failed", "failed", "indexed"])
    await world.store.pool.execute("UPDATE documents SET error_code = 'http_503' WHERE ordinal = 1")
    for query in ({"error_code": "http_503"}, {"error_code": "http_503", "status": "failed"}):
        found = (await world.client.get(f"{JOBS}/{job_id}/documents", params=query)).json()["documents"]
        assert [one["url"] for one in found] == ["https://example.org/1"]


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
    assert first["next"] is not None


async def test_jobs_of_the_same_moment_are_all_listed(world: World) -> None:
    made = {str(await insert_job(world.store, ALICE, ["pending"])) for _ in range(5)}
    await world.store.pool.execute("UPDATE jobs SET created_at = '2026-01-01'")
    seen, query = [], {"limit": "2"}
    while True:
        page = (await world.client.get(JOBS, params=query)).json()
        seen += [job["job_id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert sorted(seen) == sorted(made)


async def test_jobs_are_found_by_corpus_state_and_time(world: World) -> None:
    old, new = [str(await insert_job(world.store, ALICE, ["pending"])) for _ in range(2)]
    await world.store.pool.execute(
        "UPDATE jobs SET created_at = '2026-01-01', state = 'failed' WHERE id = $1", UUID(old)
    )
    corpus = (await world.client.get(f"{JOBS}/{old}")).json()["corpus"]
    for query, expected in (
        ({"corpus": corpus}, [old]),
        ({"corpus": corpus, "status": "running"}, []),
        ({"status": "running"}, [new]),
        ({"before": "2026-01-02T00:00:00Z"}, [old]),
        ({"since": "2026-01-02T00:00:00+01:00"}, [new]),
        ({"corpus": "no-such"}, []),
    ):
        found = (await world.client.get(JOBS, params=query)).json()["jobs"]
        assert [job["job_id"] for job in found] == expected, query
    assert problem(await world.client.get(JOBS, params={"since": "yesterday"}), 422)["field"] == "since"


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
    by_error = {"error_code": "http_503", "error_stage": "scraping", "error_kind": "transient"}
    assert (await world.client.post(f"{JOBS}/{job_id}/replay", json=by_error)).status_code == 202
    assert world.behind.events[-1][1] == JobReplayRequested.model_validate(
        {"job_id": job_id, "caller_id": ALICE, **by_error}
    )
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


BEFORE_TIME = base64.b64encode(f"0001-01-01T00:00:00+23:59 {UUID(int=0)}".encode()).decode()


async def test_a_cursor_nobody_gave_is_refused(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["indexed"])
    for cursor in ("nonsense!", "bm9wZQ", "LTU", "OTk5OTk5OTk5OTk5", BEFORE_TIME):
        for path in ("", f"/{job_id}/documents"):
            answer = await world.client.get(JOBS + path, params={"cursor": cursor})
            assert problem(answer, 422)["field"] == "cursor"


async def _move(world: World, job_id: UUID) -> None:
    deltas = "INSERT INTO job_deltas (job_id, state, n) VALUES ($1, 'pending', -1), ($1, 'indexed', 1)"
    await world.store.pool.execute(deltas, job_id)
