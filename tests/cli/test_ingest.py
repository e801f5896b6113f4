"""`sluice ingest`, `search` and `jobs`, as a program sees them."""

import os
import pty

import pytest
from starlette.responses import JSONResponse, Response

from tests.cli.conftest import JOB_ID, Cli, FakePlatform, document, platform

A, B = "https://example.org/a", "https://example.org/b"
FAILED = {"stage": "scraping", "error_code": "http_404", "error_message": "gone", "chunks": None, "tokens": None}


async def test_wait_and_json_give_one_object_with_every_document(sluice: Cli) -> None:
    fake = FakePlatform(documents=[document(A), document(B, "unchanged")])
    async with platform(sluice, fake) as cli:
        ended = await cli("ingest", "--corpus", "handbook", "--wait", "--json", A, B)
    assert ended.code == 0, ended.err
    assert ended.err == ""
    ok = {"stage": None, "error_code": None, "error_message": None, "chunks": 3, "tokens": 700}
    assert ended.json() == {
        "job_id": JOB_ID,
        "status": "completed",
        "seconds": 1.25,
        "documents": [{"url": A, "status": "indexed", **ok}, {"url": B, "status": "unchanged", **ok}],
    }
    assert fake.submitted == [{"urls": [A, B], "corpus": "handbook"}]


async def test_some_failed_is_exit_code_3_and_says_which_and_why(sluice: Cli) -> None:
    fake = FakePlatform(final={"indexed": 1, "failed": 1}, documents=[document(A), document(B, "failed", **FAILED)])
    async with platform(sluice, fake) as cli:
        ended = await cli("ingest", "--wait", A, B)
    assert ended.code == 3
    assert "x failed    https://example.org/b  http_404: gone" in ended.err
    assert ended.out == "completed_with_errors: 1 indexed, 1 failed of 2 pages in 1.2 s\n"


async def test_without_wait_it_says_how_to_follow(sluice: Cli) -> None:
    async with platform(sluice, FakePlatform()) as cli:
        ended = await cli("ingest", A)
        assert ended.code == 0
        assert f"sluice jobs --data-dir {cli.folder}/data --port" in ended.out
        assert f" {JOB_ID}\n" in ended.out
        assert (await cli("ingest", "--json", A)).json()["job_id"] == JOB_ID


async def test_urls_come_from_a_file_too(sluice: Cli) -> None:
    fake = FakePlatform()
    (sluice.folder / "urls.txt").write_text(f"# pages\n\n  {B}  \n{A}?x#y\n")
    async with platform(sluice, fake) as cli:
        await cli("ingest", "--from-file", "urls.txt", A)
        await cli("ingest", "--from-file", "-", stdin=f"{B}\n")
    assert [body["urls"] for body in fake.submitted] == [[A, B, f"{A}?x#y"], [B]]


@pytest.mark.parametrize("arguments", [(), ("--from-file", "/nowhere/urls.txt")])
async def test_no_url_or_no_file_is_bad_usage(sluice: Cli, arguments: tuple[str, ...]) -> None:
    async with platform(sluice, FakePlatform()) as cli:
        ended = await cli("ingest", *arguments)
    assert ended.code == 2
    assert ended.err.startswith("sluice: ")


async def test_every_refused_url_is_named_and_that_is_bad_usage(sluice: Cli) -> None:
    errors = [{"field": f"urls[{n}]", "code": "url_invalid", "message": "this is not a URL"} for n in (0, 1)]
    fake = FakePlatform(refusal=JSONResponse({"detail": "2 of 2 URLs are not acceptable", "errors": errors}, 422))
    async with platform(sluice, fake) as cli:
        ended = await cli("ingest", "--wait", "nonsense", "more")
    assert ended.code == 2
    assert "urls[1]: this is not a URL (url_invalid)" in ended.err


async def test_a_platform_that_hiccups_is_asked_again(sluice: Cli) -> None:
    fake = FakePlatform(refusal=Response(status_code=502), documents=[document(A)])
    async with platform(sluice, fake) as cli:
        ended = await cli("ingest", "--wait", "--json", A)
    assert ended.code == 0, ended.err
    assert ended.json()["status"] == "completed"


async def test_on_a_terminal_pages_scroll_by_above_a_live_line(sluice: Cli) -> None:
    fake = FakePlatform(documents=[document(A), document(B)])
    ours, theirs = pty.openpty()
    async with platform(sluice, fake) as cli:
        process = await cli.start_on(theirs, "ingest", A, B)
        os.close(theirs)
        assert await process.wait() == 0
    seen = os.read(ours, 65536).decode()
    os.close(ours)
    assert "+ indexed   https://example.org/a  (3 chunks)" in seen
    assert "0 of 2 pages: 2 pending" in seen
    assert "\r\x1b[K" in seen


async def test_search_prints_passages_or_json(sluice: Cli) -> None:
    fake = FakePlatform()
    async with platform(sluice, fake) as cli:
        ended = await cli("search", "-k", "3", "--json", "how do", "leases end")
        human = await cli("search", "leases")
    result = ended.json()["results"][0]
    assert list(result) == ["url", "title", "score", "text", "ordinal", "start", "end"]
    assert fake.submitted[0] == {"query": "how do leases end", "corpus": "default", "k": 3}
    assert human.out.startswith("1. T [31m  [0.500]\n   https://e.example/\n   some text")
    assert "\x1b" not in human.out


async def test_jobs_are_listed_and_shown(sluice: Cli) -> None:
    fake = FakePlatform(steps=[], documents=[document(A), document(B, "failed", **FAILED)])
    async with platform(sluice, fake) as cli:
        listed, shown = await cli("jobs"), await cli("jobs", JOB_ID)
        assert JOB_ID in listed.out
        assert (await cli("jobs", "--json")).json()["jobs"][0]["job_id"] == JOB_ID
        assert "http_404: gone" in shown.out
        assert len((await cli("jobs", JOB_ID, "--json")).json()["documents"]) == 2
