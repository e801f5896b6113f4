"""Corpora: what there is, all of it as lines, and gone for good."""

import json
from uuid import uuid4

from tests.gateway.conftest import ALICE, BOB, World, problem

JOBS, CORPORA = "/api/orchestrator/jobs", "/api/corpora"
URLS = ["https://example.org/a", "https://example.org/b"]


async def indexed(world: World, caller: str = ALICE, corpus: str = "books") -> None:
    await world.pipeline.submit(URLS, caller=caller, corpus=corpus)
    await world.pipeline.pass_all()


async def test_a_corpus_says_what_it_holds(world: World) -> None:
    await indexed(world)
    await world.pipeline.submit(URLS, caller=ALICE, corpus="films")
    page = (await world.client.get(CORPORA)).json()
    assert page["next"] is None
    assert [(one["name"], one["pages"], one["chunks"], one["tokens"]) for one in page["corpora"]] == [
        ("books", 2, 4, 14),
        ("films", 0, 0, 0),
    ]
    assert (await world.client.get(f"{CORPORA}/books")).json() == page["corpora"][0]
    assert (page["corpora"][0]["model"], page["corpora"][0]["dimension"]) == ("a-model", 3)


async def test_what_a_corpus_holds_is_counted_right_when_pages_change(world: World) -> None:
    for content in ("first", "second"):
        await world.pipeline.submit(URLS, caller=ALICE)
        await world.pipeline.pass_all(content)
    found = (await world.client.get(f"{CORPORA}/books")).json()
    assert (found["pages"], found["chunks"], found["tokens"]) == (2, 4, 14)


async def test_corpora_are_listed_page_by_page(world: World) -> None:
    for name in ("c", "a", "b"):
        await world.pipeline.submit(URLS[:1], caller=ALICE, corpus=name)
    first = (await world.client.get(CORPORA, params={"limit": 2})).json()
    rest = (await world.client.get(CORPORA, params={"limit": 2, "cursor": first["next"]})).json()
    assert [one["name"] for one in first["corpora"] + rest["corpora"]] == ["a", "b", "c"]
    assert rest["next"] is None


async def test_an_export_has_every_chunk_with_its_vector(world: World) -> None:
    await indexed(world)
    await indexed(world, BOB)
    answer = await world.client.get(f"{CORPORA}/books/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [(line["url"], line["ordinal"], line["text"]) for line in lines] == [
        (url, ordinal, word) for url in URLS for ordinal, word in enumerate(("one", "two"))
    ]
    assert lines[0]["vector"] == [1.0, 0.0, 0.0]
    assert (lines[0]["title"], lines[0]["model"], lines[0]["start"], lines[0]["end"]) == ("A title", "a-model", 0, 1)
    bare = await world.client.get(f"{CORPORA}/books/export", params={"vectors": "false"})
    assert "vector" not in json.loads(bare.text.splitlines()[0])


async def test_an_export_goes_through_all_pages_however_many(world: World) -> None:
    await world.pipeline.submit([f"https://example.org/{n:03}" for n in range(50)], caller=ALICE)
    await world.pipeline.pass_all()
    lines = (await world.client.get(f"{CORPORA}/books/export")).text.splitlines()
    assert len({json.loads(line)["url"] for line in lines}) == 50
    assert len(lines) == 100


async def test_a_deleted_corpus_is_gone_with_all_that_was_made_of_it(world: World) -> None:
    await world.works()
    submitted = (await world.client.post(JOBS, json={"urls": URLS, "corpus": "books"})).json()
    await indexed(world)
    await indexed(world, BOB)
    corpus_id = await world.store.pool.fetchval("SELECT id FROM corpora WHERE caller_id = $1", ALICE)
    kept = world.objects / f"corpora/{corpus_id}/text"
    kept.mkdir(parents=True)
    (kept / ("a" * 64)).write_text("a text")

    answer = await world.client.delete(f"{CORPORA}/books", headers={"X-Request-Id": "please-1"})
    assert answer.status_code == 200, answer.text
    proof = answer.json()
    assert proof["status"] == "deleted"
    assert proof["removed"] == {
        "pages": 2,
        "chunks": 4,
        "documents": 4,
        "failures": 0,
        "jobs": 2,
        "webhook_deliveries": 0,
        "objects": 2,  # the text, and the list of URLs that was handed in
    }
    assert set(proof["left"].values()) == {0}
    assert (await world.client.get(answer.headers["location"])).json() == proof
    assert (await world.client.get("/api/corpus-deletions")).json()["deletions"] == [proof | {"left": None}]

    assert (await world.client.get(CORPORA)).json()["corpora"] == []
    problem(await world.client.get(f"{JOBS}/{submitted['job_id']}"), 404)
    problem(await world.client.delete(f"{CORPORA}/books"), 404)
    theirs = (await world.client.get(f"{CORPORA}/books", headers=world.as_bob())).json()
    assert theirs["pages"] == 2, "another caller's corpus of the same name stays"
    audit = await world.store.pool.fetch(
        "SELECT action, caller_id, subject, request_id, detail FROM audit WHERE action LIKE 'corpus.%' ORDER BY id"
    )
    assert [(row["action"], row["caller_id"], row["subject"]) for row in audit] == [
        ("corpus.delete_requested", ALICE, "books"),
        ("corpus.deleted", ALICE, "books"),
    ]
    assert audit[0]["request_id"] == "please-1"
    assert json.loads(audit[1]["detail"])["removed"]["chunks"] == 4


async def test_a_key_whose_job_was_deleted_is_not_accepted_for_nothing(world: World) -> None:
    await world.works()
    body, headers = {"url": "https://example.org/a", "corpus": "books"}, {"Idempotency-Key": "monday"}
    assert (await world.client.post(JOBS, json=body, headers=headers)).status_code == 202
    assert (await world.client.delete(f"{CORPORA}/books")).status_code == 200
    again = problem(await world.client.post(JOBS, json=body, headers=headers), 422)
    assert (again["code"], again["field"]) == ("idempotency_key_reused", "Idempotency-Key")
    assert (await world.client.post(JOBS, json=body)).status_code == 202


async def test_what_is_under_way_in_a_deleted_corpus_ends(world: World) -> None:
    await world.works()
    job = await world.pipeline.submit(URLS, caller=ALICE)
    scraping, _ = await world.pipeline.scrape()
    assert (await world.client.delete(f"{CORPORA}/books")).status_code == 200
    assert await world.pipeline.apply(world.pipeline.scraped(scraping)) == []
    assert await world.pipeline.scrape() == []
    assert await world.store.pool.fetchval("SELECT count(*) FROM documents WHERE job_id = $1", job) == 0


async def test_late_objects_of_a_deleted_corpus_are_looked_for_again(world: World) -> None:
    await world.works()
    await indexed(world)
    corpus_id = await world.store.pool.fetchval("SELECT id FROM corpora")
    place = (await world.client.delete(f"{CORPORA}/books")).headers["location"]
    late = world.objects / f"corpora/{corpus_id}/text" / ("b" * 64)
    late.parent.mkdir(parents=True)
    late.write_text("stored by a worker that had not heard")
    assert (await world.client.get(place)).json()["left"]["objects"] == 1
    await world.store.pool.execute("UPDATE deletions SET due_at = now()")
    await world.tick()
    proof = (await world.client.get(place)).json()
    assert (proof["left"]["objects"], proof["removed"]["objects"]) == (0, 1)
    assert proof["verified_at"] is not None
    assert not await world.store.pool.fetchval("SELECT is_overdue(now() + interval '1 day')")


async def test_the_name_of_a_deleted_corpus_is_free_at_once(world: World) -> None:
    await world.works()
    await indexed(world)
    await world.client.delete(f"{CORPORA}/books")
    answer = await world.client.post(JOBS, json={"url": URLS[0], "corpus": "books"})
    assert (await world.client.get(f"{CORPORA}/books")).json()["pages"] == 0
    [page] = (await world.client.get(answer.json()["links"]["documents"])).json()["documents"]
    assert page["status"] == "pending"


async def test_a_deletion_that_was_cut_off_goes_on_with_a_tick(world: World) -> None:
    await world.works()
    await indexed(world)
    corpus_id = await world.store.pool.fetchval("UPDATE corpora SET deleted_at = now() RETURNING id")
    deletion = uuid4()
    await world.store.pool.execute(
        "INSERT INTO deletions (id, caller_id, corpus_id, corpus, requested_at, due_at)"
        " VALUES ($1, $2, $3, 'books', now(), now())",
        *(deletion, ALICE, corpus_id),
    )
    begun = (await world.client.get(f"/api/corpus-deletions/{deletion}")).json()
    assert (begun["status"], begun["left"]["pages"]) == ("deleting", 2)
    await world.tick()
    over = (await world.client.get(f"/api/corpus-deletions/{deletion}")).json()
    assert (over["status"], over["removed"]["pages"], over["left"]["corpora"]) == ("deleted", 2, 0)


async def test_what_belongs_to_another_caller_does_not_exist(world: World) -> None:
    await world.works()
    await indexed(world, BOB)
    for method, path in (("GET", ""), ("GET", "/export"), ("DELETE", "")):
        body = problem(await world.client.request(method, f"{CORPORA}/books{path}"), 404)
        assert body["code"] == "corpus_not_found"
    place = (await world.client.delete(f"{CORPORA}/books", headers=world.as_bob())).headers["location"]
    assert problem(await world.client.get(place), 404)["code"] == "deletion_not_found"
    assert (await world.client.get("/api/corpus-deletions")).json()["deletions"] == []


async def test_a_name_that_none_can_have_is_refused(world: World) -> None:
    assert problem(await world.client.get(f"{CORPORA}/No%20Such"), 422)["field"] == "corpus"
