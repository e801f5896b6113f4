"""What work took, as a caller is told: its own, by corpus and by time, of a job and of a URL."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.costs import Spent
from shared.store.costs import fold_costs
from tests.gateway.conftest import ALICE, BOB, World, problem

JOBS, COSTS = "/api/orchestrator/jobs", "/api/costs"
URL = "https://example.org/a"
FETCH = Spent(fetched_bytes=100, decoded_bytes=900, cpu_s=0.25)


async def fetched(world: World, *urls: str, caller: str = ALICE, corpus: str = "books") -> UUID:
    """A job whose pages were fetched, for a hundred bytes each."""
    pipeline = world.pipeline
    job = await pipeline.submit(urls, caller=caller, corpus=corpus)
    for claim in await pipeline.scrape():
        await pipeline.apply(pipeline.scraped(claim).model_copy(update={"spent": FETCH}))
    return job


async def ask(world: World, path: str = COSTS, **query: Any) -> dict[str, Any]:
    answer = await world.client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_caller_sees_what_it_spent_by_corpus_and_by_hour(world: World) -> None:
    await fetched(world, URL)
    await fetched(world, URL, f"{URL}/b", corpus="letters")
    await fetched(world, URL, caller=BOB)
    await fold_costs(world.store)
    found = await ask(world, by="corpus")
    assert found["cost"] == {
        "attempts": 3,
        "fetched_bytes": 300,
        "decoded_bytes": 2700,
        "text_bytes": 12,
        "chunks": 0,
        "indexed_tokens": 0,
        "embedded_tokens": 0,
        "embed_requests": 0.0,
        "scrape_cpu_seconds": 0.75,
        "chunk_cpu_seconds": 0.0,
        "embed_cpu_seconds": 0.0,
        "cpu_seconds": 0.75,
    }
    assert [(group["corpus"], group["cost"]["attempts"]) for group in found["groups"]] == [("letters", 2), ("books", 1)]
    assert (await ask(world, corpus="books"))["cost"]["attempts"] == 1
    [hour] = (await ask(world, by="hour"))["groups"]
    assert (await ask(world, since=hour["since"]))["cost"] == found["cost"]
    assert (await ask(world, before=hour["since"]))["cost"]["attempts"] == 0
    now = world.pipeline.now
    assert (await ask(world, since=(now + timedelta(hours=1)).isoformat()))["cost"]["attempts"] == 0
    within = {"since": now.isoformat(), "before": (now + timedelta(milliseconds=1)).isoformat()}
    assert (await ask(world, **within))["cost"] == found["cost"], "hours are whole"


async def test_a_job_says_what_each_of_its_pages_took(world: World) -> None:
    job = await fetched(world, URL, f"{URL}/b", f"{URL}/c")
    found = await ask(world, f"{JOBS}/{job}/costs", limit=2)
    assert found["cost"]["fetched_bytes"] == 300
    rest = await ask(world, f"{JOBS}/{job}/costs", limit=2, cursor=found["next"])
    pages = [*found["documents"], *rest["documents"]]
    assert [page["url"] for page in pages] == [URL, f"{URL}/b", f"{URL}/c"]
    assert [page["cost"]["fetched_bytes"] for page in pages] == [100, 100, 100]
    assert rest["next"] is None


async def test_a_url_says_what_it_took_each_time(world: World) -> None:
    first = await fetched(world, URL)
    second = await fetched(world, URL)
    await fetched(world, URL, caller=BOB)
    found = await ask(world, f"{COSTS}/documents", url="HTTPS://Example.org:443/a#top")
    assert found["url"] == URL
    assert [(one["job_id"], one["cost"]["attempts"]) for one in found["documents"]] == [
        (str(second), 1),
        (str(first), 1),
    ]
    assert (await ask(world, f"{COSTS}/documents", url=f"{URL}/never"))["documents"] == []


async def test_all_callers_are_for_the_scope_admin(world: World) -> None:
    await fetched(world, URL)
    await fetched(world, URL, f"{URL}/b", caller=BOB)
    corpus = str(await world.store.pool.fetchval("SELECT id FROM corpora WHERE caller_id = $1", BOB))
    assert problem(await world.client.get(COSTS, params={"all": True}), 403)["code"] == "scope_missing"
    assert problem(await world.client.get(COSTS, params={"by": "caller"}), 422)["code"] == "by_caller_needs_all"
    assert problem(await world.client.get(COSTS, params={"corpus": corpus}), 404)["code"] == "corpus_not_found"
    world.behind.scopes = ["read", "admin"]
    operator = {"X-API-Key": "slk_operator"}
    world.behind.keys["slk_operator"] = "0" * 64
    everybody = (await world.client.get(COSTS, params={"all": True, "by": "caller"}, headers=operator)).json()
    assert [(group["caller_id"], group["cost"]["attempts"]) for group in everybody["groups"]] == [(BOB, 2), (ALICE, 1)]
    one = (await world.client.get(COSTS, params={"all": True, "corpus": corpus}, headers=operator)).json()
    assert one["cost"]["attempts"] == 2
    own = (await world.client.get(COSTS, headers=operator)).json()
    assert own["cost"]["attempts"] == 0, "who may see all is not charged for all"


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"since": "1700000000"},
        {"before": "9999-12-31T23:30:00-05:00"},
        {"since": "0001-01-01T00:00:00+05:00"},
        {"by": "moon"},
        {"corpus": "Not A Name"},
    ],
)
async def test_what_makes_no_sense_is_named(world: World, query: dict[str, str]) -> None:
    refused = problem(await world.client.get(COSTS, params=query), 422)
    assert next(iter(query)) in str(refused)
