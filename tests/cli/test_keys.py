"""`sluice keys` and `sluice audit`, as processes."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.cli.conftest import Cli, FakePlatform, platform

KEY = {
    "id": "0123456789abcdef",
    "caller_id": "c" * 64,
    "caller_type": "user",
    "tier": "standard",
    "scopes": ["read", "write"],
    "label": "lap\x1btop",
    "created_at": "2026-01-01T00:00:00+00:00",
    "revoked_at": None,
}
ENTRY = {
    "id": 5,
    "at": "2026-01-01T00:00:00Z",
    "caller_id": "c" * 64,
    "request_id": "r",
    "action": "job.submitted",
    "subject": "job-1",
    "detail": {"route": "/x"},
}


class Fake(FakePlatform):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, Any]] = []

    async def __call__(self, request: Request) -> Response:
        body = await request.json() if request.method == "POST" else dict(request.query_params)
        path = request.url.path.removeprefix("/function/membership")
        self.asked.append((request.method, path, body))
        if path == "/api/audit":
            return JSONResponse({"entries": [ENTRY], "last": 5})
        if request.method == "GET":
            return JSONResponse({"keys": [KEY]})
        if path == "/keys/revoke":
            return JSONResponse(KEY | {"revoked_at": "2026-01-02T00:00:00+00:00"})
        return JSONResponse({"key": "slk_shown-once", **KEY}, 201)


async def test_a_key_is_made_and_shown_once(sluice: Cli) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        ended = await cli("keys", "create", "alice", "--scopes", "read,admin", "--tier", "free", "--service")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0] == "slk_shown-once"
    body = {"caller": "alice", "tier": "free", "caller_type": "service", "scopes": ["read", "admin"]}
    assert fake.asked == [("POST", "/keys", body)]


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("list",), ("GET", "/keys", {})),
        (("revoke", KEY["id"]), ("POST", "/keys/revoke", {"id": KEY["id"]})),
        (("rotate", KEY["id"], "--overlap", "60"), ("POST", "/keys/rotate", {"id": KEY["id"], "overlap_seconds": 60})),
    ],
)
async def test_each_action_asks_for_what_it_says(sluice: Cli, arguments: tuple[str, ...], asked: object) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        ended = await cli("keys", *arguments)
    assert (ended.code, fake.asked) == (0, [asked])
    assert "0123456789abcdef" in ended.out
    assert "\x1b" not in ended.out


async def test_the_audit_is_shown_with_its_filters(sluice: Cli) -> None:
    fake = Fake()
    async with platform(sluice, fake) as cli:
        ended = await cli("audit", "--action", "job.", "--request-id", "r", "--json")
        text = await cli("audit")
    assert ended.json() == ENTRY
    assert fake.asked[0] == ("GET", "/api/audit", {"action": "job.", "request_id": "r", "limit": "100"})
    assert text.out.split() == ["2026-01-01T00:00:00", "c" * 12, "job.submitted", "job-1", 'route="/x"']
