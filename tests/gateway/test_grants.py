"""A corpus that its owner lets another caller use: what the other may do, until it may no longer."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from shared.contracts.jobs import JobSubmitted
from shared.store.search import find_corpus
from tests.gateway.conftest import ALICE, BOB, World, problem

JOBS, CORPORA = "/api/orchestrator/jobs", "/api/corpora"
URLS = ["https://example.org/a", "https://example.org/b"]
TO_BOB = f"{CORPORA}/books/grants/{BOB}"


async def books(world: World) -> str:
    """The id of a corpus of Alice's with two pages."""
    await world.pipeline.submit(URLS, caller=ALICE, corpus="books")
    await world.pipeline.pass_all()
    return str((await world.client.get(f"{CORPORA}/books")).json()["corpus_id"])


async def give(world: World, access: str) -> None:
    answer = await world.client.put(TO_BOB, json={"access": access})
    assert answer.status_code == 200, answer.text


async def as_bob(world: World, method: str, path: str, **more: object) -> httpx.Response:
    return await world.client.request(method, path, headers=world.as_bob(), **more)  # type: ignore[arg-type]


async def test_who_may_read_looks_and_exports_and_nothing_more(world: World) -> None:
    await world.works()
    corpus = await books(world)
    before = problem(await as_bob(world, "GET", f"{CORPORA}/{corpus}"), 404)
    await give(world, "read")
    assert (await as_bob(world, "GET", f"{CORPORA}/{corpus}")).json()["pages"] == 2
    export = await as_bob(world, "GET", f"{CORPORA}/{corpus}/export")
    assert export.text == (await world.client.get(f"{CORPORA}/books/export")).text
    found = await find_corpus(world.store, BOB, corpus)
    assert found is not None
    assert str(found.id) == corpus
    for method, path, body in (
        ("DELETE", f"{CORPORA}/{corpus}", None),
        ("GET", f"{CORPORA}/{corpus}/grants", None),
        ("PUT", f"{CORPORA}/{corpus}/grants/{'c' * 64}", {"access": "read"}),
        ("POST", JOBS, {"url": URLS[0], "corpus": corpus}),
    ):
        assert (
            problem(await as_bob(world, method, path, json=body), 404)["code"] == before["code"] == "corpus_not_found"
        )
    assert problem(await as_bob(world, "GET", f"{CORPORA}/books"), 404)["code"] == "corpus_not_found"


async def test_who_may_write_hands_in_urls_and_sees_its_own_jobs_only(world: World) -> None:
    await world.works()
    corpus = await books(world)
    await give(world, "write")
    accepted = (await as_bob(world, "POST", JOBS, json={"url": "https://example.org/c", "corpus": corpus})).json()
    await world.pipeline.pass_all()
    assert (await world.client.get(f"{CORPORA}/books")).json()["pages"] == 3
    jobs = (await as_bob(world, "GET", JOBS, params={"corpus": corpus})).json()["jobs"]
    assert [(job["job_id"], job["corpus"]) for job in jobs] == [(accepted["job_id"], corpus)]
    problem(await world.client.get(f"{JOBS}/{accepted['job_id']}"), 404)


async def test_a_grant_ends_at_once_and_what_it_let_in_goes_on(world: World) -> None:
    await world.works()
    corpus = await books(world)
    await give(world, "write")
    accepted = await as_bob(world, "POST", JOBS, json={"url": "https://example.org/c", "corpus": corpus})
    assert (await world.client.delete(TO_BOB)).json()["access"] == "write"
    problem(await as_bob(world, "GET", f"{CORPORA}/{corpus}"), 404)
    problem(await as_bob(world, "POST", JOBS, json={"url": URLS[0], "corpus": corpus}), 404)
    assert await find_corpus(world.store, BOB, corpus) is None
    await world.pipeline.pass_all()
    job = (await as_bob(world, "GET", accepted.json()["links"]["self"])).json()
    assert (job["status"], job["counts"]["indexed"]) == ("completed", 1)
    assert problem(await world.client.delete(TO_BOB), 404)["code"] == "grant_not_found"


async def test_the_orchestrator_asks_again(world: World) -> None:
    """Whatever the gateway believed when it sent the event."""
    corpus = await books(world)
    with pytest.raises(Exception, match="may write into"):
        await world.pipeline.submit(URLS, caller=BOB, corpus=corpus)
    assert await world.store.pool.fetchval("SELECT count(*) FROM jobs WHERE caller_id = $1", BOB) == 0


async def test_grants_are_listed_for_who_gave_and_for_who_received_them(world: World) -> None:
    corpus = await books(world)
    await give(world, "write")
    await give(world, "read")
    await world.client.put(f"{CORPORA}/{corpus}/grants/{'c' * 64}", json={"access": "write"})
    first = (await world.client.get(f"{CORPORA}/books/grants", params={"limit": 1})).json()
    rest = (await world.client.get(f"{CORPORA}/books/grants", params={"cursor": first["next"]})).json()
    given = [(one["caller_id"], one["access"]) for one in first["grants"] + rest["grants"]]
    assert given == [(BOB, "read"), ("c" * 64, "write")]
    [received] = (await as_bob(world, "GET", "/api/corpus-grants")).json()["grants"]
    assert (received["corpus_id"], received["name"], received["owner"]) == (corpus, "books", ALICE)
    assert (await world.client.get("/api/corpus-grants")).json() == {"grants": [], "next": None}


async def test_received_grants_come_page_by_page(world: World) -> None:
    for name in ("one", "two", "three"):
        await world.pipeline.submit(URLS[:1], caller=ALICE, corpus=name)
        await world.client.put(f"{CORPORA}/{name}/grants/{BOB}", json={"access": "read"})
    first = (await as_bob(world, "GET", "/api/corpus-grants", params={"limit": 2})).json()
    rest = (await as_bob(world, "GET", "/api/corpus-grants", params={"cursor": first["next"]})).json()
    assert {one["name"] for one in first["grants"] + rest["grants"]} == {"one", "two", "three"}
    assert (len(first["grants"]), rest["next"]) == (2, None)


async def test_an_administrator_may_grant_what_is_anothers_by_its_id(world: World) -> None:
    corpus = await books(world)
    path = f"{CORPORA}/{corpus}/grants/{'c' * 64}"
    problem(await as_bob(world, "PUT", path, json={"access": "read"}), 404)
    world.behind.scopes = ["read", "write", "admin"]
    world.behind.keys["slk_root-key"] = "e" * 64
    answer = await world.client.put(path, json={"access": "read"}, headers={"X-API-Key": "slk_root-key"})
    assert answer.json()["corpus_id"] == corpus
    by_name = await world.client.put(TO_BOB, json={"access": "read"}, headers={"X-API-Key": "slk_root-key"})
    assert problem(by_name, 404)["code"] == "corpus_not_found"


async def test_a_deleted_corpus_takes_its_grants_along(world: World) -> None:
    await world.works()
    corpus = await books(world)
    await give(world, "read")
    assert (await world.client.delete(f"{CORPORA}/books")).status_code == 200
    problem(await as_bob(world, "GET", f"{CORPORA}/{corpus}"), 404)
    assert await world.store.pool.fetchval("SELECT count(*) FROM corpus_grants") == 0


async def test_an_id_is_no_name_for_a_new_corpus(world: World) -> None:
    await world.works()
    body = {"url": URLS[0], "corpus": str(uuid4())}
    refused = problem(await world.client.post(JOBS, json=body), 404)
    assert (refused["code"], refused["field"]) == ("corpus_not_found", "corpus")
    assert not [payload for _, payload in world.behind.events if isinstance(payload, JobSubmitted)]


async def test_what_is_no_grant_is_refused_by_field(world: World) -> None:
    await books(world)
    for path, body, field in (
        (TO_BOB, {"access": "own"}, "access"),
        (f"{CORPORA}/books/grants/bob", {"access": "read"}, "caller_id"),
        (f"{CORPORA}/books/grants/{ALICE}", {"access": "read"}, "caller_id"),
    ):
        assert problem(await world.client.put(path, json=body), 422)["field"] == field


async def test_giving_and_taking_are_remembered(world: World) -> None:
    corpus = await books(world)
    await give(world, "write")
    await world.client.delete(TO_BOB)
    rows = await _remembered(world, 2)
    assert [(row["action"], row["subject"]) for row in rows] == [
        ("corpus.granted", "books"),
        ("corpus.grant_ended", "books"),
    ]
    assert all(f'"corpus_id": "{corpus}"' in row["detail"] and '"access": "write"' in row["detail"] for row in rows)


async def _remembered(world: World, wanted: int) -> list[dict[str, str]]:
    """Rows are written a moment after the answer."""
    async with asyncio.timeout(20):
        while True:
            rows = await world.store.pool.fetch(
                "SELECT action, subject, detail::text FROM audit WHERE action LIKE 'corpus.grant%' ORDER BY id"
            )
            if len(rows) >= wanted:
                return [dict(row) for row in rows]
            await asyncio.sleep(0.05)
