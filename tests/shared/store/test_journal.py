"""What the log says of documents and jobs: enough to follow one job, and where each of its pages ended."""

import json
import logging
from typing import Any

import pytest

from observe.logs import JsonFormatter
from tests.shared.store.world import World


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """As they are printed."""
    caplog.set_level(logging.INFO, "shared.store.journal")
    return lambda: [json.loads(JsonFormatter("orchestrator").format(record)) for record in caplog.records]


async def test_a_jobs_lines_tell_each_try_that_failed_and_each_end(world: World, lines: Any) -> None:
    job = await world.submit(["https://me:secret@a.example.org/?token=hush", "https://b.example.org/"])
    first, second = await world.scrape(2)
    await world.apply(world.failed(first))
    await world.apply(world.failed(second, "permanent"))
    world.after(3600)
    [again] = await world.scrape()
    [asked] = await world.apply(world.scraped(again))
    await world.apply(world.chunked(asked))
    [embed] = await world.embed()
    await world.swap(embed)
    await world.apply(world.embedded(embed))
    told = lines()
    assert [line["action"] for line in told] == [
        "try_failed", "try_failed", "document_failed", "document_indexed", "job_completed_with_errors",
    ]  # fmt: skip
    assert {line["job_id"] for line in told} == {str(job)}
    assert told[-1]["count"] == 2
    of_documents = told[:-1]
    assert all(line["trace_id"] == line["document_id"].replace("-", "") for line in of_documents)
    assert [line.get("stage") for line in of_documents] == ["scrape", "scrape", None, None]
    assert not [line for line in told if "secret" in line["message"] or "hush" in line["message"]]


async def test_what_comes_twice_is_told_once(world: World, lines: Any) -> None:
    await world.submit(["https://a.example.org/"])
    [claim] = await world.scrape()
    for _ in range(2):
        await world.apply(world.failed(claim, "permanent"), event_id="failed-once")
    assert [line["action"] for line in lines()] == ["try_failed", "document_failed", "job_failed"]
