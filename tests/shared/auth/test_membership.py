"""The Membership client, against a real HTTP server that says what it was asked."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from shared.auth.context import CallerContext
from shared.auth.internal import InternalCallers
from shared.auth.membership import Membership, MembershipSettings
from shared.errors import InvalidInput, Unauthenticated, Unavailable
from shared.settings import Environment
from tests.local_http import asgi, closed_port, serving, until
from tests.numbers import Since, here

KEY = "slk_known-to-the-fake"
LOOKUPS, ASKED = "sluice_membership_lookups_total", "sluice_membership_requests_total"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeMembership:
    """Knows the keys in `callers`; `broken` is an answer given to everybody instead."""

    callers: dict[str, str] = field(default_factory=lambda: {KEY: "caller-1"})
    broken: Response | None = None
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def __call__(self, request: Request) -> Response:
        assert request.url.path == "/auth"
        assert await request.json() == {}
        key = request.headers["x-api-key"]
        self.asked.append(key)
        await self.gate.wait()
        if self.broken is not None:
            return self.broken
        if key not in self.callers:
            return JSONResponse({"error": "key_refused"}, 401)
        return JSONResponse(
            {"caller_id": self.callers[key], "caller_type": "user", "tier": "gold", "scopes": ["read", "write"]}
        )


@dataclass
class World:
    fake: FakeMembership
    settings: MembershipSettings
    clock: Clock
    client: Membership


@pytest.fixture
async def world() -> AsyncIterator[World]:
    fake, clock = FakeMembership(), Clock()
    async with serving(asgi(fake)) as url:
        settings = MembershipSettings(url, b"secret")
        client = Membership(settings, clock=clock)
        yield World(fake, settings, clock, client)
        await client.close()


async def test_a_known_key_gives_its_caller(world: World) -> None:
    caller = await world.client.authenticate(KEY, "req-1")
    assert caller == CallerContext("caller-1", "user", "gold", frozenset({"read", "write"}), "req-1")


async def test_an_answer_is_believed_for_a_minute_and_not_longer(world: World) -> None:
    await world.client.authenticate(KEY, "req-1")
    world.clock.now += 59.9
    assert (await world.client.authenticate(KEY, "req-2")).request_id == "req-2"
    assert len(world.fake.asked) == 1
    world.fake.callers.clear()
    world.clock.now += 0.2
    with pytest.raises(Unauthenticated):
        await world.client.authenticate(KEY, "req-3")


async def test_a_refused_key_is_not_asked_again_for_five_seconds(world: World) -> None:
    since = Since()
    for _ in range(3):
        with pytest.raises(Unauthenticated) as refused:
            await world.client.authenticate("slk_nobody-knows", "r")
        assert refused.value.code == "key_refused"
    assert len(world.fake.asked) == 1
    world.clock.now += 5.1
    world.fake.callers["slk_nobody-knows"] = "caller-2"
    for _ in range(2):
        assert (await world.client.authenticate("slk_nobody-knows", "r")).caller_id == "caller-2"
    assert [since(LOOKUPS, outcome=outcome) for outcome in ("miss", "negative", "hit")] == [2, 2, 1]
    assert [since(ASKED, outcome=outcome) for outcome in ("refused", "accepted", "failed")] == [1, 1, 0]
    assert since("sluice_membership_request_seconds_count") == 2
    assert since.in_seconds("sluice_membership_request_seconds")


@pytest.mark.parametrize("key", ["", "short", "with space in it", "line\r\nbreak-inside", "x" * 257, "slk_ünïcödé"])
async def test_what_cannot_be_a_key_is_refused_without_asking(world: World, key: str) -> None:
    with pytest.raises(Unauthenticated):
        await world.client.authenticate(key, "r")
    assert world.fake.asked == []


async def test_many_calls_with_one_key_ask_once(world: World) -> None:
    world.fake.gate.clear()
    calls = [asyncio.create_task(world.client.authenticate(KEY, str(n))) for n in range(20)]
    await until(lambda: bool(world.fake.asked))
    calls[0].cancel()  # the first caller hangs up; the others still get their answer
    world.fake.gate.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert [a.request_id for a in answers[1:] if isinstance(a, CallerContext)] == [str(n) for n in range(1, 20)]
    assert len(world.fake.asked) == 1


async def test_different_keys_are_asked_at_the_same_time(world: World) -> None:
    world.fake.callers["slk_the-other-one"] = "caller-2"
    world.fake.gate.clear()
    calls = [asyncio.create_task(world.client.authenticate(key, "r")) for key in (KEY, "slk_the-other-one")]
    await until(lambda: len(world.fake.asked) == 2)
    world.fake.gate.set()
    assert [caller.caller_id for caller in await asyncio.gather(*calls)] == ["caller-1", "caller-2"]


@pytest.mark.parametrize(
    "nonsense",
    [
        PlainTextResponse("oops", 500),
        PlainTextResponse("<html>", 200),
        JSONResponse({"caller_type": "user"}),
        JSONResponse({"caller_id": ""}),
        JSONResponse({"caller_id": "line\nbreak"}),
        JSONResponse({"caller_id": "c" * 129}),
        JSONResponse({"caller_id": ["caller-1"]}),
        JSONResponse({"caller_id": "caller-1", "scopes": "admin"}),
        JSONResponse({"caller_id": "caller-1", "scopes": [{"admin": True}]}),
        JSONResponse({"caller_id": "caller-1", "tier": "gold\r\n"}),
        JSONResponse(["caller-1"]),
        PlainTextResponse("[" * 50_000),
        PlainTextResponse('{"caller_id": "caller-1"}' + " " * 100_000),
        PlainTextResponse("moved", 302, {"location": "http://127.0.0.1:1/"}),
        PlainTextResponse("gone", 404),
    ],
)
async def test_an_answer_that_makes_no_sense_lets_nobody_in(world: World, nonsense: Response) -> None:
    world.fake.broken = nonsense
    with pytest.raises(Unavailable) as down:
        await world.client.authenticate(KEY, "r")
    assert down.value.retry_after_s


async def test_while_membership_is_down_cached_callers_get_in_and_others_do_not_wait(world: World) -> None:
    await world.client.authenticate(KEY, "r")
    since = Since()
    world.fake.broken = PlainTextResponse("down", 503)
    for n in range(7):
        with pytest.raises(Unavailable):
            await world.client.authenticate(f"slk_another-{n}", "r")
    assert len(world.fake.asked) == 1 + 5, "after five failures in a row nobody asks"
    assert since(ASKED, outcome="failed") == 5
    assert since(LOOKUPS, outcome="miss") == 7
    assert (await world.client.authenticate(KEY, "r")).caller_id == "caller-1"


async def test_after_a_pause_one_probe_closes_the_circuit(world: World) -> None:
    since = Since()
    assert here()("sluice_breaker_open", breaker="membership") == 0
    world.fake.broken = PlainTextResponse("down", 503)
    for n in range(6):
        with pytest.raises(Unavailable):
            await world.client.authenticate(f"slk_another-{n}", "r")
    asked = len(world.fake.asked)
    world.clock.now += 10.1
    with pytest.raises(Unavailable):
        await world.client.authenticate(KEY, "r")
    with pytest.raises(Unavailable) as still:
        await world.client.authenticate(KEY, "r")
    assert len(world.fake.asked) == asked + 1
    assert here()("sluice_breaker_open", breaker="membership") == 1
    assert still.value.retry_after_s == pytest.approx(10, abs=0.5)
    world.fake.broken = None
    world.clock.now += 10.1
    assert (await world.client.authenticate(KEY, "r")).caller_id == "caller-1"
    assert here()("sluice_breaker_open", breaker="membership") == 0
    assert since("sluice_breaker_openings_total", breaker="membership") == 1, "a probe that fails opens nothing anew"


async def test_nobody_listening_is_unavailable() -> None:
    client = Membership(MembershipSettings(f"http://127.0.0.1:{closed_port()}", b"secret"))
    with pytest.raises(Unavailable):
        await client.authenticate(KEY, "r")
    await client.close()


async def test_a_membership_that_knows_no_scopes_means_the_usual_ones(world: World) -> None:
    world.fake.broken = JSONResponse({"caller_id": "caller-1"})
    caller = await world.client.authenticate(KEY, "r")
    assert caller == CallerContext("caller-1", "unknown", "standard", frozenset({"read", "write"}), "r")


async def test_no_answer_of_membership_makes_a_caller_internal(world: World) -> None:
    world.fake.broken = JSONResponse({"caller_id": "caller-1", "internal": True, "scopes": ["internal"]})
    assert not (await world.client.authenticate(KEY, "r")).internal


async def test_configuration_makes_a_caller_internal(world: World) -> None:
    ours = InternalCallers(frozenset({"caller-1"}), hashlib.sha256(b"slk_orchestrators-own").hexdigest())
    client = Membership(replace(world.settings, internal=ours))
    assert (await client.authenticate(KEY, "r")).internal
    asked = len(world.fake.asked)
    service = await client.authenticate("slk_orchestrators-own", "r")
    assert (service.internal, service.caller_type) == (True, "service")
    assert len(world.fake.asked) == asked, "good without asking anybody"
    with pytest.raises(Unauthenticated):
        await client.authenticate("slk_orchestrators-owm", "r")
    await client.close()


async def test_an_answer_that_drips_ends_in_time() -> None:
    async def dripping(_: Request) -> Response:
        async def drops() -> AsyncIterator[bytes]:
            for _ in range(1000):
                yield b" "
                await asyncio.sleep(0.05)

        return StreamingResponse(drops())

    async with serving(asgi(dripping)) as url:
        client = Membership(MembershipSettings(url, b"secret", timeout_s=0.3))
        began = time.monotonic()
        with pytest.raises(Unavailable) as slow:
            await client.authenticate(KEY, "r")
        assert time.monotonic() - began < 10, "50 s would be the whole of it"
        assert slow.value.retry_after_s
        await client.close()


def test_a_cache_that_outlives_a_revocation_is_refused_at_start() -> None:
    with pytest.raises(InvalidInput, match="at most 60"):
        MembershipSettings.read(Environment({"MEMBERSHIP_CACHE_SECONDS": "61"}))
