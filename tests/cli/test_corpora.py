"""`sluice corpora`, `export`, `webhooks`, and the rest of what can be done to a job, as processes."""

import json
import os
import pty
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.cli.conftest import JOB_ID, Cli, FakePlatform, platform

CORPUS = {"name": "books", "model": "m\x1b[31m", "dimension": 3, "chunk_max_tokens": 250, "chunk_overlap_tokens": 50}
CORPUS |= {"vector_index": "none", "pages": 1, "chunks": 4, "tokens": 900, "created_at": "2026-01-01T00:00:00Z"}
PROOF = {"deletion_id": "d-1", "corpus": "books", "status": "deleted", "removed": {"pages": 1, "webhook_deliveries": 2}}
TRY = {"attempt": 1, "at": "2026-01-01T00:00:00Z", "seconds": 0.1, "status": None, "error": "refused"}
DELIVERY: dict[str, Any] = {"delivery_id": "w-1", "job_id": JOB_ID, "url": "https://e.example/hook", "status": "failed"}
DELIVERY |= {"type": "dev.sluice.job.completed.v1", "attempts": [TRY]}
LINES = b'{"url": "https://e.example/", "vector": [1, 2, 3]}\n' * 3000


class Fake(FakePlatform):
    def __init__(self) -> None:
        super().__init__(steps=[])
        self.asked: list[tuple[str, str, Any]] = []

    async def __call__(self, request: Request) -> Response:
        body = await request.json() if request.method == "POST" else dict(request.query_params)
        path = request.url.path.removeprefix("/api/")
        self.asked.append((request.method, path, body))
        if path.startswith("orchestrator/jobs/"):
            return JSONResponse(self._job(), 202)
        if path.endswith("/export"):
            return Response(LINES) if "books" in path else JSONResponse({"detail": "there is none"}, 404)
        if path.startswith("webhooks"):
            return self._webhooks(path)
        if request.method == "DELETE":
            return JSONResponse(PROOF)
        if path != "corpora":
            return JSONResponse(CORPUS)
        first = "cursor" not in body
        return JSONResponse({"corpora": [CORPUS | {"name": "a" if first else "b"}], "next": "2" if first else None})

    def _webhooks(self, path: str) -> Response:
        if path.endswith("secret"):
            return JSONResponse({"secret": "whsec_x"})
        return JSONResponse(DELIVERY if path.endswith("redeliver") else {"deliveries": [DELIVERY], "next": None})


async def test_all_corpora_are_listed_and_one_is_shown(sluice: Cli) -> None:
    async with platform(sluice, Fake()) as cli:
        listed, shown, as_json = await cli("corpora"), await cli("corpora", "books"), await cli("corpora", "--json")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["a", "b"]
    assert "1 page, 4 chunks" in listed.out
    assert "900 tokens" in shown.out
    assert "\x1b" not in listed.out + shown.out
    assert [corpus["name"] for corpus in as_json.json()["corpora"]] == ["a", "b"]


async def test_a_corpus_is_deleted_when_that_was_meant(sluice: Cli) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        unsure, nameless = await cli("corpora", "books", "--delete"), await cli("corpora", "--delete")
        assert (unsure.code, nameless.code) == (2, 2)
        assert "--yes" in unsure.err
        assert not [one for one in fake.asked if one[0] == "DELETE"]
        ended = await cli("corpora", "books", "--delete", "--yes")
    assert ended.out == "books is gone: pages 1, webhook deliveries 2 (deletion d-1)\n"
    assert fake.asked[-1][:2] == ("DELETE", "corpora/books")


@pytest.mark.parametrize(("typed", "code"), [("books", 0), ("yes", 1)])
async def test_on_a_terminal_the_name_is_asked_for(sluice: Cli, typed: str, code: int) -> None:
    fake = Fake()
    ours, theirs = pty.openpty()
    async with platform(sluice, fake) as cli:
        os.write(ours, f"{typed}\n".encode())
        process = await cli.start_on(theirs, "corpora", "books", "--delete")
        os.close(theirs)
        assert await process.wait() == code
    os.close(ours)
    assert [one[0] for one in fake.asked] == ["GET", "DELETE"][: 2 - code]


async def test_an_export_goes_to_a_file_or_to_standard_output_as_it_is(sluice: Cli) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        printed = await cli("export", "books", "--no-vectors")
        await cli("export", "books", "--output", "books.jsonl")
        missing = await cli("export", "nothing", "--output", "nothing.jsonl")
    assert printed.out.encode() == LINES
    assert fake.asked[0][2] == {"vectors": "false"}
    assert (sluice.folder / "books.jsonl").read_bytes() == LINES
    assert (missing.code, missing.err) == (1, "sluice: there is none\n")
    assert not (sluice.folder / "nothing.jsonl").exists()


async def test_deliveries_are_listed_sent_again_and_verified_with_a_secret(sluice: Cli) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        listed = await cli("webhooks", "--job", JOB_ID, "--status", "failed")
        again = await cli("webhooks", "--redeliver", "w-1", "--json")
        secret = await cli("webhooks", "--secret")
    assert listed.out.split() == ["w-1", "failed", "job.completed", DELIVERY["url"], "1", "attempt", "refused"]
    assert fake.asked[0][2] == {"limit": "50", "job_id": JOB_ID, "status": "failed"}
    assert again.json() == {"deliveries": [DELIVERY]}
    assert fake.asked[1][:2] == ("POST", "webhooks/deliveries/w-1/redeliver")
    assert secret.out == "whsec_x\n"


async def test_a_job_is_called_off_and_what_failed_goes_again(sluice: Cli) -> None:
    fake = Fake()
    chosen = ("--error-code", "http_503", "--from-stage", "scrape")
    async with platform(sluice, fake) as cli:
        off, again = await cli("jobs", JOB_ID, "--cancel"), await cli("jobs", JOB_ID, "--replay", *chosen)
        wrong = [await cli("jobs", "--replay"), await cli("jobs", JOB_ID, *chosen)]
    assert (off.code, again.code, [one.code for one in wrong]) == (0, 0, [2, 2])
    assert again.out == "completed: 2 of 2 pages: 2 indexed\n"
    job = f"orchestrator/jobs/{JOB_ID}"
    asked = {"error_code": "http_503", "from_stage": "scrape"}
    assert fake.asked == [("POST", f"{job}/cancel", {}), ("POST", f"{job}/replay", asked)]


async def test_a_sitemap_and_a_webhook_are_handed_in(sluice: Cli) -> None:
    fake = FakePlatform()
    chosen = ("--include", "/docs/*", "--include", "/faq", "--exclude", "*.pdf", "--limit", "5")
    async with platform(sluice, fake) as cli:
        await cli(
            "ingest", "--sitemap", "https://e.example/sitemap.xml", *chosen, "--webhook", "https://e.example/hook"
        )
        wrong = [
            await cli("ingest", "--sitemap", "https://e.example/s", "https://e.example/"),
            await cli("ingest", *chosen),
        ]
    sitemap = {"url": "https://e.example/sitemap.xml", "include": ["/docs/*", "/faq"], "exclude": ["*.pdf"], "limit": 5}
    told = {"webhook": {"url": "https://e.example/hook"}}
    assert fake.submitted == [json.loads(json.dumps({"sitemap": sitemap, "corpus": "default", **told}))]
    assert [one.code for one in wrong] == [2, 2]
