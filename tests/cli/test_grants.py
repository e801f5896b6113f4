"""`sluice grants`, as a process."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.cli.conftest import Cli, FakePlatform, platform

BOB = "b" * 64
CORPUS_ID = "3c1c7c7e-0000-4000-8000-00000000c0de"
GIVEN = {"corpus_id": CORPUS_ID, "caller_id": BOB, "access": "read", "granted_at": "2026-01-01T00:00:00Z"}
RECEIVED = {
    "corpus_id": CORPUS_ID,
    "name": "bo\x1boks",
    "owner": "a" * 64,
    "access": "write",
    "granted_at": "2026-01-01T00:00:00Z",
}


class Fake(FakePlatform):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, Any]] = []

    async def __call__(self, request: Request) -> Response:
        body = await request.json() if request.method == "PUT" else None
        self.asked.append((request.method, request.url.path, body))
        if request.method == "GET":
            grant = RECEIVED if request.url.path == "/api/corpus-grants" else GIVEN
            return JSONResponse({"grants": [grant], "next": None})
        return JSONResponse(GIVEN | (body or {}))


@pytest.mark.parametrize(
    ("arguments", "asked", "said"),
    [
        (("list",), ("GET", "/api/corpus-grants", None), "write  3c1c7c7e-0000-4000-8000-00000000c0de bo oks"),
        (("list", "books"), ("GET", "/api/corpora/books/grants", None), f"read {BOB}"),
        (
            ("give", "books", BOB),
            ("PUT", f"/api/corpora/books/grants/{BOB}", {"access": "read"}),
            f"{BOB} may search books",
        ),
        (
            ("give", "books", BOB, "--write"),
            ("PUT", f"/api/corpora/books/grants/{BOB}", {"access": "write"}),
            "may search and fill books",
        ),
        (("revoke", "books", BOB), ("DELETE", f"/api/corpora/books/grants/{BOB}", None), "may no longer use books"),
        (("list", "../x"), ("GET", "/api/corpora/../x/grants", None), "read"),
    ],
)
async def test_each_action_asks_for_what_it_says(
    sluice: Cli, arguments: tuple[str, ...], asked: object, said: str
) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        ended = await cli("grants", *arguments)
    assert ended.code == 0, ended.err
    assert fake.asked == [asked]
    assert " ".join(said.split()) in " ".join(ended.out.split())
    assert "\x1b" not in ended.out


@pytest.mark.parametrize(
    "arguments",
    [("give", "books"), ("revoke",), ("list", "books", BOB), ("revoke", "books", BOB, "--write"), ("take",)],
)
async def test_what_makes_no_sense_is_refused_before_anybody_is_asked(sluice: Cli, arguments: tuple[str, ...]) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        ended = await cli("grants", *arguments)
    assert (ended.code, fake.asked) == (2, [])
