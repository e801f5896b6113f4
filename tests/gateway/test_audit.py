"""What the gateway remembers, and who may read it."""

import httpx
import pytest

from gateway.app import table
from tests.gateway.conftest import ALICE, BOB, World

JOBS, AUDIT = "/api/orchestrator/jobs", "/api/audit"


async def entries(world: World, wanted: int, **query: str) -> list[dict[str, object]]:
    """Rows are written a moment after the answer."""
    import asyncio

    async with asyncio.timeout(10):
        while True:
            answer = await world.client.get(AUDIT, params=query)
            found: list[dict[str, object]] = answer.json()["entries"]
            if len(found) >= wanted:
                return found
            await asyncio.sleep(0.05)


async def test_a_submission_is_remembered_with_its_job(world: World) -> None:
    answer = await world.client.post(JOBS, json={"url": "https://example.org/"}, headers={"X-Request-Id": "req-7"})
    [entry] = await entries(world, 1)
    assert (entry["action"], entry["caller_id"], entry["request_id"]) == ("job.submitted", ALICE, "req-7")
    assert entry["subject"] == answer.json()["job_id"]
    assert entry["detail"] == {"method": "POST", "route": JOBS}


async def test_a_look_is_not_remembered_nor_what_failed(world: World) -> None:
    await world.client.get(JOBS)
    await world.client.post(JOBS, json={"url": "no url"})
    await world.client.post(JOBS, json={"url": "https://example.org/"})
    assert [entry["action"] for entry in await entries(world, 1)] == ["job.submitted"]


async def test_a_refusal_is_remembered(world: World) -> None:
    world.behind.scopes = ["read"]
    await world.client.post(JOBS, json={"url": "https://example.org/"})
    [entry] = await entries(world, 1)
    assert entry["action"] == "access.refused"
    assert entry["detail"] == {"method": "POST", "route": JOBS, "code": "scope_missing"}


async def test_everybody_sees_their_own_and_administrators_all(world: World) -> None:
    await world.client.post(JOBS, json={"url": "https://example.org/"})
    await world.client.post(JOBS, json={"url": "https://example.org/"}, headers=world.as_bob())
    world.behind.scopes = ["read", "admin"]
    world.behind.keys["slk_an-admins-key"] = "d" * 64
    admin = {"X-API-Key": "slk_an-admins-key"}
    await entries(world, 1)

    async def seen(headers: dict[str, str], **query: str) -> set[object]:
        answer: httpx.Response = await world.client.get(AUDIT, params=query, headers=headers)
        return {entry["caller_id"] for entry in answer.json()["entries"]}

    assert await seen({}) == {ALICE}
    assert await seen(world.as_bob()) == {BOB}
    assert await seen({}, caller_id=BOB) == set()
    assert await seen(admin) == {ALICE, BOB}
    assert await seen(admin, caller_id=BOB) == {BOB}


async def test_since_is_a_moment_and_nothing_else(world: World) -> None:
    assert (await world.client.get(AUDIT, params={"since": "2026-01-31T12:00:00Z"})).status_code == 200
    for text in ("0.5", "2026-01-31", "2026-01-31T12:00:00", "0001-01-01T00:00:00+23:59", "yesterday"):
        answer = await world.client.get(AUDIT, params={"since": text})
        assert (answer.status_code, answer.json()["field"]) == (422, "since"), text


@pytest.mark.parametrize("text", ["0.0", "1_0", " 1", "1e2", "one", ""])
async def test_a_number_is_whole_and_in_digits(world: World, text: str) -> None:
    for route, name in ((AUDIT, "after"), (AUDIT, "limit"), (JOBS, "limit")):
        answer = await world.client.get(route, params={name: text})
        assert (answer.status_code, answer.json()["field"]) == (422, name), route


async def test_what_is_done_to_jobs_and_corpora_is_remembered_by_its_name(world: World) -> None:
    await world.works()
    called_off, failed = [await world.pipeline.submit(["https://example.org/"], caller=ALICE) for _ in range(2)]
    corpus = await world.store.pool.fetchval("SELECT name FROM corpora WHERE caller_id = $1", ALICE)
    report = {"stage": "scraping", "status": "failed", "error_code": "http_404"}
    calls = [
        ("POST", f"{JOBS}/{called_off}/cancel", {}, None),
        ("POST", f"{JOBS}/{failed}/complete", world.internal(), report),
        ("POST", f"{JOBS}/{failed}/replay", {}, {}),
        ("GET", f"/api/corpora/{corpus}/export", {}, None),
        ("DELETE", f"/api/corpora/{corpus}", {}, None),
    ]
    for method, path, headers, body in calls:
        answer = await world.client.request(method, path, headers=headers, json=body)
        assert answer.status_code < 300, (path, answer.text)
    done = ["job.cancelled", "job.replayed", "corpus.exported", "corpus.delete_requested", "corpus.deleted"]
    found = {(str(one["action"]), one["subject"]) for one in await entries(world, len(done) + 1)}
    assert set(done) <= {action for action, _ in found}
    assert ("job.cancelled", str(called_off)) in found
    query = "SELECT subject FROM audit WHERE action = 'job.reported' AND caller_id <> $1"
    assert await world.store.pool.fetchval(query, ALICE) == str(failed)


def test_everything_that_changes_something_is_remembered() -> None:
    for route in table():
        assert (route.remembered() is not None) or route.public or route.needs() == "read", route.path
