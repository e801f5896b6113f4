"""Handing in URLs."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID

from shared.contracts.jobs import JobSubmitted, SitemapOptions
from shared.objects import ObjectStore
from tests.gateway.conftest import ALICE, World, problem

JOBS = "/api/orchestrator/jobs"


async def submitted(world: World) -> tuple[JobSubmitted, list[str]]:
    """What the orchestrator was told, and the list it points at."""
    _, payload = world.behind.events[-1]
    assert isinstance(payload, JobSubmitted)
    content = await ObjectStore.open(f"file://{world.objects}", {}).get(payload.urls)
    return payload, json.loads(content)


async def test_urls_are_normalised_merged_stored_and_announced(world: World) -> None:
    urls = ["HTTP://Example.org", "http://example.org/#top", "https://example.org/ü"]
    answer = await world.client.post(JOBS, json={"urls": urls, "corpus": "handbook"})
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert body["status"] == "accepted"
    assert body["documents"] == 2
    assert answer.headers["location"] == body["links"]["self"] == f"{JOBS}/{body['job_id']}"
    payload, stored = await submitted(world)
    assert (payload.caller_id, payload.corpus, payload.count) == (ALICE, "handbook", 2)
    assert payload.job_id == UUID(body["job_id"])
    assert stored == ["http://example.org/", "https://example.org/%C3%BC"]


async def test_a_sitemap_is_left_to_the_workers_with_what_is_wanted_of_it(world: World) -> None:
    await world.works()
    sitemap = {"url": "https://example.org/sitemap.xml#x", "include": ["/docs/*"], "limit": 7}
    answer = await world.client.post(JOBS, json={"sitemap": sitemap, "corpus": "handbook"})
    assert answer.status_code == 202, answer.text
    payload, stored = await submitted(world)
    assert stored == ["https://example.org/sitemap.xml"]
    assert payload.sitemap == SitemapOptions(limit=7, include=("/docs/*",))
    [document] = (await world.client.get(answer.json()["links"]["documents"])).json()["documents"]
    assert (document["sitemap"], document["status"]) == (True, "pending")
    cases: list[tuple[object, str]] = [
        ({"url": "nonsense"}, "sitemap.url"),
        ({"url": "https://e.org/", "limit": 0}, "sitemap.limit"),
        ({"url": "https://e.org/", "limit": 50_001}, "sitemap.limit"),
        ({"url": "https://e.org/", "include": [""]}, "sitemap.include[0]"),
        ({"url": "https://e.org/", "exclude": ["x" * 301]}, "sitemap.exclude[0]"),
    ]
    for bad, field in cases:
        assert problem(await world.client.post(JOBS, json={"sitemap": bad}), 422)["field"] == field


async def test_one_url_is_enough(world: World) -> None:
    answer = await world.client.post(JOBS, json={"url": "https://example.org/a"})
    assert answer.json()["documents"] == 1
    assert (await submitted(world))[0].corpus == "default"


async def test_every_bad_url_is_named_and_nothing_is_accepted(world: World) -> None:
    urls = ["https://example.org/"] * 10_000
    urls[3], urls[77], urls[9_999] = "no url", "ftp://example.org/", "https://user:hunter2@example.org/"
    body = problem(await world.client.post(JOBS, json={"urls": urls}), 422)
    assert [(error["field"], error["code"]) for error in body["errors"]] == [
        ("urls[3]", "url_invalid"),
        ("urls[77]", "url_scheme"),
        ("urls[9999]", "url_credentials"),
    ]
    assert "hunter2" not in json.dumps(body)
    assert world.behind.events == []


async def test_a_single_bad_url_is_said_in_the_sentence(world: World) -> None:
    body = problem(await world.client.post(JOBS, json={"urls": ["x" * 3000]}), 422)
    assert (body["code"], body["field"]) == ("url_too_long", "urls[0]")
    assert body["detail"].startswith("urls[0]: ")


async def test_ten_thousand_urls_are_taken_and_one_more_is_not(world: World) -> None:
    urls = [f"https://example.org/{n}" for n in range(10_000)]
    assert (await world.client.post(JOBS, json={"urls": urls})).json()["documents"] == 10_000
    body = problem(await world.client.post(JOBS, json={"urls": [*urls, "https://example.org/x"]}), 422)
    assert body["field"] == "urls"


async def test_the_field_at_fault_is_named(world: World) -> None:
    url = "https://a.example/"
    cases: list[tuple[object, str]] = [
        ({}, "body"),
        ({"urls": []}, "urls"),
        ({"urls": [url, 5]}, "urls[1]"),
        ({"urls": url}, "urls"),
        ({"urls": [url], "corpus": "No Such Name"}, "corpus"),
        ({"urls": [url], "corpse": "x"}, "corpse"),
        ({"url": url, "urls": [url]}, "body"),
        ([], "body"),
    ]
    for body, field in cases:
        assert problem(await world.client.post(JOBS, json=body), 422)["field"] == field
    assert world.behind.events == []


async def test_a_body_that_is_not_json_is_a_problem_too(world: World) -> None:
    for content in (b"{", b'{"urls": ["\xff"]}', b"[" * 100_000, b'{"url": ' + b"9" * 5000 + b"}"):
        answer = await world.client.post(JOBS, content=content, headers={"content-type": "application/json"})
        assert problem(answer, 400)["code"] == "malformed_json"
    problem(await world.client.post(JOBS, content=b"", headers={"content-type": "application/json"}), 422)


async def test_a_body_of_another_type_is_told_what_to_send(world: World) -> None:
    answer = await world.client.post(JOBS, content=b'{"url": "https://example.org/"}')
    assert "Content-Type: application/json" in problem(answer, 422)["detail"]


async def test_half_a_character_is_read_as_browsers_read_it(world: World) -> None:
    await world.works()
    content = b'{"url": "https://example.org/\\ud800"}'
    headers = {"Idempotency-Key": "half", "content-type": "application/json"}
    assert (await world.client.post(JOBS, content=content, headers=headers)).status_code == 202
    assert await world.store.pool.fetchval("SELECT url FROM documents") == "https://example.org/%EF%BF%BD"


async def test_unless_it_asks_for_the_good_ones_alone(world: World) -> None:
    urls = ["https://example.org/a", "no url", "https://example.org/b"]
    answer = await world.client.post(JOBS, json={"urls": urls, "skip_invalid": True})
    assert answer.status_code == 202, answer.text
    assert answer.json()["documents"] == 2
    assert [(one["field"], one["code"]) for one in answer.json()["skipped"]] == [("urls[1]", "url_invalid")]
    assert (await submitted(world))[1] == ["https://example.org/a", "https://example.org/b"]
    none_left = await world.client.post(JOBS, json={"urls": ["no url"], "skip_invalid": True})
    assert problem(none_left, 422)["code"] == "url_invalid"


async def test_an_idempotency_key_gives_the_same_answer_to_the_same_body_and_refuses_another(world: World) -> None:
    await world.works()
    headers = {"Idempotency-Key": "one"}
    first, again = [
        await world.client.post(JOBS, json=body, headers=headers)
        for body in ({"url": "https://example.org/"}, {"url": "https://example.org/", "corpus": "default"})
    ]
    assert first.json() == again.json()
    assert await world.store.pool.fetchval("SELECT count(*) FROM jobs") == 1
    other = await world.client.post(JOBS, json={"url": "https://example.org/other"}, headers=headers)
    assert problem(other, 422)["code"] == "idempotency_key_reused"
    theirs = await world.client.post(JOBS, json={"url": "https://example.org/"}, headers=headers | world.as_bob())
    assert theirs.json()["job_id"] != first.json()["job_id"]


async def test_of_two_bodies_that_race_under_one_key_one_is_refused(world: World) -> None:
    await world.works()
    answers = await asyncio.gather(
        *(
            world.client.post(JOBS, json={"url": f"https://example.org/{n % 2}"}, headers={"Idempotency-Key": "race"})
            for n in range(8)
        )
    )
    taken = {answer.json()["job_id"] for answer in answers if answer.status_code == 202}
    assert len(taken) == 1
    assert sorted(answer.status_code for answer in answers) == [202] * 4 + [422] * 4
    assert await world.store.pool.fetchval("SELECT count(*) FROM documents") == 1


async def test_while_the_orchestrator_is_down_the_caller_is_asked_to_come_back(world: World) -> None:
    world.behind.broken.add("orchestrator")
    answer = await world.client.post(JOBS, json={"url": "https://example.org/"})
    assert problem(answer, 503)["code"] == "orchestrator_unavailable"
    assert int(answer.headers["retry-after"]) > 0


async def test_a_body_over_the_limit_is_refused_announced_or_not(world: World) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(18):
            yield b" " * 1024 * 1024

    problem(await world.client.post(JOBS, content=b" " * (16 * 1024 * 1024 + 1)), 413)
    problem(await world.client.post(JOBS, content=endless()), 413)
