"""What work cost, as `sluice cost` says it of a platform that did it: all sums agree, and agree with what was done."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from shared.model_files import load_tokenizer, tokenizer_file
from shared.settings import Environment
from tests.fakes.site import article
from tests.pipeline.platform import Platform, eventually_async
from tests.pipeline.world import Endpoint, web

pytestmark = pytest.mark.asyncio(loop_scope="session")

CORPORA = ("costs-short", "costs-long")
PAGES = {
    f"/{corpus}/{n}": article(f"Weir {n} of {corpus}", f"Weir {n} holds water back, and lets it go. " * times)
    for corpus, times in zip(CORPORA, (20, 300), strict=True)
    for n in range(3)
}
MISSING = "/status/404"
EXACT = ("attempts", "fetched_bytes", "decoded_bytes", "text_bytes", "chunks", "indexed_tokens", "embedded_tokens")
Cost = dict[str, float]


@dataclass(frozen=True)
class Spent:
    """Two jobs, a corpus each: what was spent before, what each cost, and what the endpoint was sent for them."""

    before: Cost
    jobs: dict[str, dict[str, Any]]
    urls: dict[str, list[str]]
    batches: list[list[str]]

    @property
    def both(self) -> Cost:
        return _sum([told["cost"] for told in self.jobs.values()])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def spent(calm: Platform, model: Endpoint) -> Spent:
    before, sent = (await _cost(calm, "--by", "caller", "--all"))["cost"], len(model.fake.batches)
    async with web(PAGES) as site:
        urls = {corpus: [site.url(path) for path in PAGES if corpus in path] for corpus in CORPORA}
        urls["costs-short"].append(site.url(MISSING))
        jobs = {corpus: await calm.submit(urls[corpus], corpus) for corpus in CORPORA}
        for job_id in jobs.values():
            await calm.finish(job_id)
    told = {corpus: await _cost(calm, job_id) for corpus, job_id in jobs.items()}
    return Spent(before, told, urls, model.fake.batches[sent:])


async def test_a_job_costs_what_its_pages_do(spent: Spent) -> None:
    for corpus, told in spent.jobs.items():
        assert {document["url"] for document in told["documents"]} == set(spent.urls[corpus])
        _agree(told["cost"], [document["cost"] for document in told["documents"]])


async def test_what_is_charged_is_what_was_fetched_embedded_and_stored(calm: Platform, spent: Spent) -> None:
    both, texts = spent.both, [text for batch in spent.batches for text in batch]
    assert both["embed_requests"] == pytest.approx(len(spent.batches))
    assert both["embedded_tokens"] == both["indexed_tokens"] == _tokens(texts)
    [stored] = await calm.rows(
        "SELECT count(*) AS chunks, sum(tokens) AS tokens FROM chunks"
        " WHERE corpus_id IN (SELECT id FROM corpora WHERE name = ANY($1))",
        list(CORPORA),
    )
    assert (both["chunks"], both["indexed_tokens"]) == (stored["chunks"], stored["tokens"])
    assert both["attempts"] == 3 * len(PAGES) + 1, "three stages a page, and one of that which is missing"
    assert both["fetched_bytes"] >= sum(len(page.body) for page in PAGES.values())
    parts = ("scrape_cpu_seconds", "chunk_cpu_seconds", "embed_cpu_seconds")
    assert min(both[part] for part in parts) > 0
    assert both["cpu_seconds"] == pytest.approx(sum(both[part] for part in parts))


async def test_corpora_days_hours_and_callers_add_up_to_the_same(calm: Platform, spent: Spent) -> None:
    whole = _sum([spent.before, spent.both])
    await eventually_async(lambda: _folded(calm, whole["attempts"]), 60)
    for corpus, told in spent.jobs.items():
        _agree((await _cost(calm, "--corpus", corpus))["cost"], [told["cost"]])
    for by in ("corpus", "day", "hour", "caller"):
        apart = await _cost(calm, "--by", by, "--all")
        _agree(apart["cost"], [group["cost"] for group in apart["groups"]])
        _agree(apart["cost"], [whole])


async def test_a_page_costs_by_its_address_what_it_costs_in_its_job(calm: Platform, spent: Spent) -> None:
    [page] = (await _cost(calm, spent.urls["costs-long"][0]))["documents"]
    assert page in spent.jobs["costs-long"]["documents"]


async def _cost(calm: Platform, *arguments: str) -> dict[str, Any]:
    code, said = await calm.sluice("cost", *arguments, "--json")
    assert code == 0, said
    found: dict[str, Any] = json.loads(said)
    return found


async def _folded(calm: Platform, attempts: float) -> bool:
    """Whether a sweep has added what the jobs spent to the sums."""
    return bool((await calm.call("GET", "/api/costs?by=caller&all=true"))["cost"]["attempts"] == attempts)


def _sum(costs: Sequence[Cost]) -> Cost:
    return {name: sum(cost[name] for cost in costs) for name in costs[0]}


def _agree(whole: Cost, parts: Sequence[Cost]) -> None:
    together = _sum(parts)
    assert {name: whole[name] for name in EXACT} == {name: together[name] for name in EXACT}
    assert whole == pytest.approx(together, abs=0.01)


def _tokens(texts: Sequence[str]) -> int:
    tokenizer, _ = load_tokenizer(tokenizer_file(Environment({})))
    return sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)
