"""A laptop that keeps its traces: a page is followed from the request to its vectors, in the terminal."""

import json
from typing import Any

import pytest

from emulator.telemetry.bounds import TRACES_FILE
from tests.pipeline.platform import Platform, eventually_async, platform
from tests.pipeline.world import Endpoint, Web

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

PATIENCE_S = 90.0
SLOW_S = 2
STAGES = ("queue wait", "scrape", "fetch", "extract", "chunk.requested", "embed", "embeddings", "index.replace_chunks")
# A page that is fetched, split and embedded once: what each query and call of it comes to.
MOST_SPANS_OF_A_PAGE = 120


async def test_a_page_is_followed_from_the_request_to_its_vectors(model: Endpoint, site: Web) -> None:
    good, gone, slow = (site.url(path) for path in ("/pound-lock", "/status/404", f"/slow/{SLOW_S}"))
    async with platform("--observe", EMBEDDING_API_BASE_URL=model.url) as made:
        job_id = await made.submit([good, gone, slow], "observed")
        await made.finish(job_id, PATIENCE_S)
        page = await _kept(made, good, STAGES)
        _one_family(page)
        assert page["job_id"] == job_id
        assert "POST /api/orchestrator/jobs" in page["submission"][0]["name"]
        assert {"gateway", "orchestrator"} <= {span["service"] for span in page["submission"]}
        assert {"orchestrator", "scrape-worker", "chunk", "embed-worker"} <= {span["service"] for span in page["spans"]}
        assert len(page["spans"]) <= MOST_SPANS_OF_A_PAGE
        failed = await _kept(made, gone, ("scrape", "fetch"))
        assert failed["error"] == "http_404"
        lasting = [
            span["seconds"] for span in (await _kept(made, slow, ("fetch",)))["spans"] if span["name"] == "fetch"
        ]
        assert max(lasting) >= SLOW_S * 0.9
        await _is_told_in_words(made, good, gone, job_id)
        await made.down()
        again = await _trace(made, good)
        assert again is not None, "the platform has stopped, and what it kept is there"
        assert {span["span_id"] for span in page["spans"]} <= {span["span_id"] for span in again["spans"]}
        kept = sum(file.stat().st_size for file in made.folder.glob(f"{TRACES_FILE}*"))
        assert kept < 5_000_000, "three pages, and everything that went on for them"


async def _trace(made: Platform, url: str) -> dict[str, Any] | None:
    code, said = await made.sluice("trace", url, "--json")
    if code:
        return None
    found: dict[str, Any] = json.loads(said)
    return found


async def _kept(made: Platform, url: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Once all that is told of a page has arrived: a worker that lingers ends its wake-up well after the page."""

    async def complete() -> dict[str, Any] | None:
        found = await _trace(made, url)
        if not found or not found["ended"] or not found["submission"]:
            return None
        here = {span["span_id"] for span in found["spans"]}
        orphans = [span for span in found["spans"] if span["parent_id"] and span["parent_id"] not in here]
        return found if not orphans and {span["name"] for span in found["spans"]}.issuperset(names) else None

    return await eventually_async(complete, PATIENCE_S, lambda: f"not all of {names} of {url} was kept")


def _one_family(page: dict[str, Any]) -> None:
    """From one root, in the order of the pipeline."""
    assert [span["name"] for span in page["spans"] if span["parent_id"] is None] == ["document"]
    assert [span["name"] for span in page["spans"] if span["depth"] == 0] == ["document"]
    began = {span["name"]: span["offset_s"] for span in reversed(page["spans"])}
    order = [
        began[name] for name in ("document", "fetch", "extract", "chunk.requested", "embed", "index.replace_chunks")
    ]
    assert order == sorted(order)
    assert sum(part["share"] for part in page["time"]) == pytest.approx(1, abs=0.01)


async def _is_told_in_words(made: Platform, good: str, gone: str, job_id: str) -> None:
    _, drawn = await made.sluice("trace", good)
    for words in (good, "POST /api/orchestrator/jobs", *STAGES, "where the time went", "sluice logs --trace"):
        assert words in drawn
    _, drawn = await made.sluice("trace", gone)
    assert ": http_404; " in drawn
    _, drawn = await made.sluice("trace", job_id)
    assert "traces of 3 pages are kept" in drawn
    _, said = await made.sluice("why", good)
    assert "It is indexed in corpus observed" in " ".join(said.split())
    _, said = await made.sluice("why", gone)
    assert "(http_404). As it is, another try would end the same way" in " ".join(said.split())
    _, said = await made.sluice("top", "--once", "--json")
    assert json.loads(said)["observing"] is True
    _, said = await made.sluice("status")
    assert "traces are kept: " in said
    code, said = await made.sluice("logs", "--trace", job_id)
    assert code == 0, said
    told = {line["action"]: line for line in (json.loads(line[line.index("{") :]) for line in said.splitlines())}
    assert told.keys() >= {"job.submitted", "document_indexed", "document_failed", "job_completed_with_errors"}
    assert (told["try_failed"]["code"], told["try_failed"]["stage"]) == ("http_404", "scrape")
    assert {line["job_id"] for line in told.values()} == {job_id}
