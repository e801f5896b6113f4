"""`sluice why`, against an honest server in place of the platform."""

from typing import Any

import pytest

from cli.nearby import nearby, workers
from cli.numbers import numbers
from tests.cli.conftest import JOB_ID, Cli
from tests.cli.fake import answering

NEW, OLD = "7a0e2a1c-0000-4000-8000-000000000001", "7a0e2a1c-0000-4000-8000-000000000002"
URL = "https://e.example/page"


def function(name: str = "scrape-worker", **changed: Any) -> dict[str, Any]:
    said = {"name": name, "replicas": [], "ready": 0, "in_flight": 0}
    return said | {"reason": "", "reason_age_s": None, "failures": 0} | changed


LOST = {"reason": "OOMKilled", "reason_age_s": 2.0}
DOCUMENT = {
    "document_id": NEW,
    "job_id": JOB_ID,
    "url": f"{URL}\x1b[31m",
    "status": "pending",
    "corpus": "docs",
    "why": "It waits to be fetched,\x1b[2J since a while. " * 3,
}
ANSWERS: dict[str, Any] = {
    "/api/orchestrator/documents": {
        "documents": [{"document_id": NEW, "status": "pending"}, {"document_id": OLD, "status": "failed"}]
    },
    f"/api/orchestrator/documents/{NEW}": DOCUMENT,
    f"/api/orchestrator/jobs/{JOB_ID}": {"job_id": JOB_ID},
    "/status": {"functions": [function(reason="exit status 1", reason_age_s=2.0)], "faults": []},
}


async def test_a_paragraph_is_told_of_the_newest_page_of_a_url(sluice: Cli) -> None:
    async with answering(sluice, ANSWERS) as aimed:
        said = await aimed("why", URL)
    assert said.code == 0, said.err
    url, *paragraph, ids, older = said.out.splitlines()
    assert url == f"{URL} [31m"
    assert " ".join(paragraph).startswith("It waits to be fetched, [2J since a while.")
    assert " ".join(paragraph).endswith("scrape-worker has trouble: exit status 1, 2.0 s ago.")
    assert max(map(len, paragraph)) <= 110
    assert ids == f"document {NEW}, job {JOB_ID}, corpus docs"
    assert older == f"This URL has 1 older document, too; the one before: {OLD} (failed)"
    assert "\x1b" not in said.out


async def test_json_holds_all_facts(sluice: Cli) -> None:
    async with answering(sluice, ANSWERS) as aimed:
        said = (await aimed("why", NEW, "--json")).json()
    assert said == {**DOCUMENT, "nearby": ["scrape-worker has trouble: exit status 1, 2.0 s ago."], "others": []}


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        (OLD, 1, f"there is no document {OLD} of yours"),
        (JOB_ID, 2, f"{JOB_ID} is a job: sluice jobs {JOB_ID} shows its pages"),
        ("nonsense", 2, "no job's or document's id, and no URL"),
        ("file:///etc/passwd", 2, "only http and https"),
    ],
)
async def test_what_is_not_there_is_told(sluice: Cli, what: str, code: int, words: str) -> None:
    async with answering(sluice, ANSWERS) as aimed:
        said = await aimed("why", what)
    assert (said.code, said.out) == (code, "")
    assert words in said.err


async def test_a_url_that_no_job_had_is_told(sluice: Cli) -> None:
    async with answering(sluice, {"/api/orchestrator/documents": {"documents": []}}) as aimed:
        said = await aimed("why", URL)
    assert said.code == 1
    assert f"no job of yours has ever had {URL}" in said.err


async def test_without_a_platform_it_says_how_to_start_one(sluice: Cli) -> None:
    said = await sluice("why", URL)
    assert said.code == 1
    assert "start one with `sluice up`" in said.err


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, "scrape-worker is at zero: it starts as soon as there is work for it."),
        ({"queue": {"waiting": 2}}, "it starts as soon as there is work for it, and its queue holds 2 wake-ups."),
        ({"replicas": [{}]}, "scrape-worker is starting."),
        ({"replicas": [{}, {}], "ready": 2}, "scrape-worker has 2 replicas at work."),
        ({"replicas": [{}], "ready": 1, "in_flight": 3}, "1 replica at work, with 3 requests in hand."),
        ({"replicas": [{}]} | LOST, "scrape-worker has trouble: OOMKilled, 2.0 s ago."),
        ({"replicas": [{}], "ready": 1} | LOST, "1 replica at work; one before had trouble: OOMKilled, 2.0 s ago."),
        ({"replicas": [{}], "ready": 1} | LOST | {"reason_age_s": 61.0}, "scrape-worker has 1 replica at work."),
    ],
)
def test_who_is_to_work_on_it_is_told(changed: dict[str, Any], sentence: str) -> None:
    [said] = nearby({"status": "pending"}, {"functions": [function(**changed), function("embed-worker")], "faults": []})
    assert said.endswith(sentence)


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("scraping", ["scrape-worker"]),
        ("chunking", ["chunk", "orchestrator"]),
        ("embedding", ["embed-worker", "inference"]),
        ("indexed", []),
        ("failed", []),
    ],
)
def test_only_those_are_told_of_who_have_a_part_in_it(state: str, names: list[str]) -> None:
    everybody = ("scrape-worker", "chunk", "orchestrator", "embed-worker", "inference", "gateway")
    said = nearby({"status": state}, {"functions": [function(name) for name in everybody]})
    assert [sentence.split()[0] for sentence in said] == names


def test_a_breaker_that_is_open_is_told() -> None:
    told = numbers('sluice_breaker_open{breaker="embedding"} 1\nsluice_breaker_open{breaker="limiter"} 1\n')
    said = nearby({"status": "embedding"}, {}, told)
    assert said == [
        "The circuit breaker before the embedding endpoint is open: nobody asks it until it has had a rest."
    ]
    assert nearby({"status": "embedding"}, {}, numbers('sluice_breaker_open{breaker="embedding"} 0\n')) == []


def test_only_who_is_up_is_asked() -> None:
    """A request starts a function that is at zero."""
    status = {"functions": [function("embed-worker"), function("inference", ready=1), function("chunk", ready=1)]}
    assert workers({"status": "embedding"}, status) == ["inference"]
    assert workers({"status": "indexed"}, status) == []


def test_a_fault_on_purpose_is_told() -> None:
    fault = {"id": 1, "kind": "drop", "function": "*", "rate": 0.5, "via": "all", "hits": 1, "seen": 2, "delay_ms": 0}
    elsewhere = fault | {"function": "search"}
    said = nearby({"status": "chunking"}, {"functions": [], "faults": [fault, elsewhere]})
    assert said == ["A fault is armed: 1: drop 50 % of all functions, hit 1 of 2."]
