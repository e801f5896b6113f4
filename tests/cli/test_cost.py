"""`sluice cost`, as a process."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cli.cost import size
from tests.cli.conftest import JOB_ID, Cli, FakePlatform, platform

COST = {
    "attempts": 3,
    "fetched_bytes": 12_345,
    "decoded_bytes": 99_999,
    "text_bytes": 4_000,
    "chunks": 2,
    "indexed_tokens": 700,
    "embedded_tokens": 1_400,
    "embed_requests": 0.25,
    "scrape_cpu_seconds": 1.5,
    "chunk_cpu_seconds": 0.25,
    "embed_cpu_seconds": 0.25,
    "cpu_seconds": 2.0,
}
ROW = ["3", "12.3", "kB", "4.0", "kB", "2", "700", "1,400", "0.2", "2.00", "s"]


class Fake(FakePlatform):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def __call__(self, request: Request) -> Response:
        path, query = request.url.path, dict(request.query_params)
        self.asked.append((path, query))
        if path == "/api/costs":
            group = {"corpus": None, "caller_id": None, "since": "2026-01-31T10:00:00Z", "cost": COST}
            return JSONResponse({"since": None, "before": None, "cost": COST, "groups": [group], "more": False})
        documents = [self._document(name) for name in ("cheap", "dear")]
        page, after = (documents[1:], None) if "cursor" in query else (documents[:1], "later")
        if path == "/api/costs/documents":
            return JSONResponse({"url": query["url"], "documents": documents, "next": None})
        return JSONResponse({"job_id": JOB_ID, "cost": COST, "documents": page, "next": after})

    def _document(self, name: str) -> dict[str, Any]:
        cost = COST | {"cpu_seconds": 9.0 if name == "dear" else 1.0}
        url = f"https://example.org/\x1b{name}"
        return {"document_id": JOB_ID, "job_id": JOB_ID, "url": url, "status": "indexed", "cost": cost}


@pytest.mark.parametrize(
    ("arguments", "asked", "name"),
    [
        ((), {"by": "corpus"}, "(deleted)"),
        (("--by", "day", "--since", "2026-01-31"), {"by": "day", "since": "2026-01-31T00:00:00Z"}, "2026-01-31"),
        (("--by", "hour", "--corpus", "books"), {"by": "hour", "corpus": "books"}, "2026-01-31 10:00"),
        (("--all", "--by", "caller"), {"by": "caller", "all": "true"}, "None"),
    ],
)
async def test_the_whole_is_told_apart_as_asked(
    sluice: Cli, arguments: tuple[str, ...], asked: dict[str, str], name: str
) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        ended = await cli("cost", *arguments)
    assert ended.code == 0, ended.err
    assert fake.asked == [("/api/costs", asked)]
    _, group, total = ended.out.splitlines()
    assert group.split() == [*name.split(), *ROW]
    assert total.split() == ["total", *ROW]


async def test_a_jobs_dearest_pages_come_first(sluice: Cli) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        ended = await cli("cost", JOB_ID)
        short = await cli("cost", JOB_ID, "--top", "1")
        everything = await cli("cost", JOB_ID, "--json")
    _, first, second, total = ended.out.splitlines()
    assert first.startswith("https://example.org/ dear ")
    assert second.startswith("https://example.org/ cheap ")
    assert total.startswith("total")
    assert "and 1 page that took less" in short.out
    assert len(everything.json()["documents"]) == 2
    assert "\x1b" not in ended.out


async def test_a_url_is_told_each_time_it_was_handed_in(sluice: Cli) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        ended = await cli("cost", "https://example.org/a")
        refused = await cli("cost", "https://example.org/a", "--by", "day")
    assert fake.asked == [("/api/costs/documents", {"url": "https://example.org/a", "limit": "500"})]
    assert [line.split()[:2] for line in ended.out.splitlines()[1:]] == [[JOB_ID, "indexed"]] * 2
    assert refused.code == 2


async def test_callers_are_told_apart_for_whoever_may_see_them_all(sluice: Cli) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        refused = await cli("cost", "--by", "caller")
    assert (refused.code, fake.asked) == (2, [])
    assert "needs --all" in refused.err


@pytest.mark.parametrize(("count", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (5e15, "5,000.0 TB")])
def test_sizes_are_short(count: float, said: str) -> None:
    assert size(count) == said
