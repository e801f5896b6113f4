"""`sluice extract` as a process."""

import asyncio
import gzip
import json
import os
import sys
from pathlib import Path

import pytest

from tests.local_http import asgi, serving

PAGE = "<html lang=en><head><title>Title</title></head><body><h1>Heading</h1><p>Wörter to read.</p></body></html>"


async def sluice(*args: str, stdin: str = "", cwd: Path | None = None, **env: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "extract", *args),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
        env=os.environ | env,
    )
    out, err = await process.communicate(stdin.encode())
    return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "page.html.gz").write_bytes(gzip.compress(PAGE.encode()))
    (tmp_path / "empty.html").write_text("<html></html>")
    (tmp_path / "notes.txt").write_text("One <two>.")
    return tmp_path


async def test_a_file_may_be_gzipped(folder: Path) -> None:
    code, out, _ = await sluice("--json", "page.html.gz", "--url", "https://example.com/2024/05/06/x", cwd=folder)
    assert code == 0
    assert json.loads(out) == {
        "text": "Heading\nWörter to read.",
        "title": "Heading",
        "author": None,
        "date": "2024-05-06",
        "language": "en",
    }


async def test_lines_are_answered_in_order_and_failures_in_their_place(folder: Path) -> None:
    files = ["page.html", "empty.html", "missing.html", "page.html.gz", "notes.txt"] * 5
    lines = [json.dumps({"id": n, "url": "https://example.com/", "file": file}) for n, file in enumerate(files)]
    code, out, _ = await sluice("--jsonl", stdin="\n".join([*lines, "not json", ""]), cwd=folder)
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [answer["id"] for answer in answers] == [*range(25), None]
    assert answers[0] == {"id": 0, "text": "Heading\nWörter to read.", "title": "Heading"}
    assert (answers[1]["text"], answers[1]["title"], answers[1]["error"]["code"]) == ("", None, "no_text")
    assert answers[2]["error"]["code"] == "file_unreadable"
    assert answers[4]["text"] == "One <two>."
    assert answers[25]["error"]["code"] == "line_invalid"


async def test_no_line_ends_the_reading_of_the_others() -> None:
    files = ["/dev/zero", "\0", "/", "/nowhere\ud800"]
    lines = [json.dumps({"id": file, "file": file}) for file in files]
    code, out, _ = await sluice("--jsonl", stdin="\n".join([*lines, "[" * 100_000, '{"id": 1, "file": 1}', ""]))
    codes = [json.loads(line)["error"]["code"] for line in out.splitlines()]
    assert (code, codes) == (0, ["page_too_large", *["file_unreadable"] * 3, *["line_invalid"] * 2])


async def test_a_page_is_fetched_under_the_same_rules_as_by_a_worker() -> None:
    from starlette.requests import Request
    from starlette.responses import Response

    async def site(request: Request) -> Response:
        return Response(PAGE if request.url.path == "/page" else "", media_type="text/html")

    async with serving(asgi(site)) as address:
        refused = await sluice(address + "/page")
        allowed = await sluice(address + "/page", SCRAPE_ALLOW_NETWORKS="127.0.0.0/8")
    assert refused[0] == 1
    assert "port_refused" in refused[2]
    assert allowed[:2] == (0, "Heading\nWörter to read.\n")


@pytest.mark.parametrize(
    ("args", "code"), [([], 2), (["--jsonl", "x"], 2), (["missing"], 2), (["ftp://example.com/"], 2)]
)
async def test_bad_usage_is_told_apart(args: list[str], code: int, folder: Path) -> None:
    assert (await sluice(*args, cwd=folder))[0] == code
