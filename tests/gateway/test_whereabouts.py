"""What became of a URL: found without its job, told in words, and only to whom it belongs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared.store.store import Store
from tests.gateway.conftest import ALICE, BOB, World, insert_job, problem

DOCUMENTS = "/api/orchestrator/documents"


async def only_document(store: Store, job_id: UUID) -> UUID:
    found: UUID = await store.pool.fetchval("SELECT id FROM documents WHERE job_id = $1", job_id)
    return found


async def test_a_url_is_found_in_every_job_the_newest_first(world: World) -> None:
    jobs = [await insert_job(world.store, ALICE, ["indexed"]) for _ in range(3)]
    await insert_job(world.store, BOB, ["indexed"])
    for age, job_id in enumerate(jobs):
        created_at = datetime.now(UTC) - timedelta(hours=age)
        await world.store.pool.execute("UPDATE documents SET created_at = $2 WHERE job_id = $1", job_id, created_at)
    given = {"url": "https://EXAMPLE.org:443/./0#part"}
    found = (await world.client.get(DOCUMENTS, params={**given, "limit": 2})).json()["documents"]
    assert [one["job_id"] for one in found] == [str(job_id) for job_id in jobs[:2]]
    assert (found[0]["status"], found[0]["corpus"][:7]) == ("indexed", "corpus-")
    nothing = await world.client.get(DOCUMENTS, params={"url": "https://example.org/unheard-of"})
    assert nothing.json() == {"documents": []}


@pytest.mark.parametrize(("url", "code"), [("ftp://e.org/", "url_scheme"), ("no url", "url_invalid")])
async def test_what_is_no_url_is_told(world: World, url: str, code: str) -> None:
    assert problem(await world.client.get(DOCUMENTS, params={"url": url}), 422)["code"] == code
    assert problem(await world.client.get(DOCUMENTS), 422)["field"] == "url"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("pending", "It waits to be fetched, since "),
        ("chunking", "Its text is stored, and the chunk function was asked to split it "),
        ("embedding", "It waits to be embedded, since "),
        ("indexed", "It is indexed in corpus "),
        ("unchanged", "nothing had changed since it was indexed"),
        ("failed", "when it was to be fetched: the page is gone (http_404)."),
        ("cancelled", "Its job was called off"),
    ],
)
async def test_a_document_says_where_it_is(world: World, state: str, words: str) -> None:
    document_id = await only_document(world.store, await insert_job(world.store, ALICE, [state]))
    said = (await world.client.get(f"{DOCUMENTS}/{document_id}")).json()
    assert words in said["why"]
    assert (said["status"], said["document_id"], said["failures"]) == (state, str(document_id), [])


async def test_a_document_in_a_worker_s_hands_says_until_when(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["scraping"])
    until = datetime.now(UTC) + timedelta(minutes=1)
    await world.store.pool.execute("UPDATE documents SET lease_until = $2 WHERE job_id = $1", job_id, until)
    said = (await world.client.get(f"{DOCUMENTS}/{await only_document(world.store, job_id)}")).json()
    assert datetime.fromisoformat(said["lease_until"]) == until
    assert "A worker has it in its hands to be fetched" in said["why"]


async def test_those_ahead_are_the_caller_s_own_of_the_same_domain(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["pending"] * 4)
    await insert_job(world.store, BOB, ["pending"] * 5)
    pool = world.store.pool
    await pool.execute("INSERT INTO domains (domain, delay_s) VALUES ('example.org', 2)")
    await pool.execute("UPDATE documents SET domain = 'other.org' WHERE job_id = $1 AND ordinal = 0", job_id)
    last = await pool.fetchval("SELECT id FROM documents WHERE job_id = $1 AND ordinal = 3", job_id)
    said = (await world.client.get(f"{DOCUMENTS}/{last}")).json()
    assert (said["ahead"], said["domain"], said["pace_s"]) == (2, "example.org", 2)
    assert "2 documents of yours at example.org come before it, which takes 4 s or more." in said["why"]


async def test_every_failed_try_is_part_of_it(world: World) -> None:
    job_id = await insert_job(world.store, ALICE, ["pending"])
    document_id = await only_document(world.store, job_id)
    pool = world.store.pool
    later = datetime.now(UTC) + timedelta(minutes=5)
    await pool.execute("UPDATE documents SET attempt = 1, not_before = $2 WHERE id = $1", document_id, later)
    await pool.execute(
        "INSERT INTO failures (document_id, job_id, token, attempt, stage, kind, code, message, failed_at)"
        " VALUES ($1, $2, 1, 1, 'scraping', 'transient', 'http_503', 'busy', now())",
        *(document_id, job_id),
    )
    said = (await world.client.get(f"{DOCUMENTS}/{document_id}")).json()
    assert "Once it could not be fetched, the last time " in said["why"]
    assert ": busy (http_503). The next try is " in said["why"]
    assert [one["code"] for one in said["failures"]] == ["http_503"]


async def test_another_caller_s_document_is_none(world: World) -> None:
    theirs = await only_document(world.store, await insert_job(world.store, BOB, ["indexed"]))
    for document_id in (theirs, uuid4()):
        assert problem(await world.client.get(f"{DOCUMENTS}/{document_id}"), 404)["code"] == "document_not_found"
    assert (await world.client.get(f"{DOCUMENTS}/{theirs}", headers=world.as_bob())).status_code == 200
