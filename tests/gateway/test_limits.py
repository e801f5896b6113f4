"""Limits, as a caller meets them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from shared.ratelimit.settings import LimitSettings
from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import gateway_on, problem
from tests.numbers import Since

JOBS = "/api/orchestrator/jobs"
BOB = {"X-API-Key": "slk_bob-key"}
TIERS = {"standard": 6}


@pytest.fixture
async def client(database: str, redis_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    limits = LimitSettings(redis_url, TIERS, capacity=1000)
    async with gateway_on(database, tmp_path, limits=limits) as (_, client):
        yield client


async def test_a_caller_learns_what_is_left_and_when_to_come_back(client: httpx.AsyncClient) -> None:
    remaining = [(await client.get(JOBS)).headers["ratelimit-remaining"] for _ in range(6)]
    assert remaining == ["5", "4", "3", "2", "1", "0"]
    answer = await client.get(JOBS)
    assert problem(answer, 429)["code"] == "rate_limited"
    assert 0 < int(answer.headers["retry-after"]) <= 61
    assert answer.headers["ratelimit-limit"] == "6"
    assert answer.headers["ratelimit-remaining"] == "0"
    assert (await client.get(JOBS, headers=BOB)).status_code == 200, "another caller has its own window"


async def test_more_work_costs_more(client: httpx.AsyncClient) -> None:
    answer = await client.post(JOBS, json={"url": "https://example.org/"})
    assert answer.status_code == 202
    assert answer.headers["ratelimit-remaining"] == "1"
    problem(await client.post(JOBS, json={"url": "https://example.org/"}), 429)


async def test_what_fails_costs_as_well_and_says_what_is_left(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{JOBS}/not-a-job")
    problem(answer, 422)
    assert answer.headers["ratelimit-remaining"] == "5"


async def test_without_a_key_nothing_is_spent_and_public_routes_cost_nothing(client: httpx.AsyncClient) -> None:
    for _ in range(10):
        refused = await client.get(JOBS, headers={"X-API-Key": "slk_of-nobody"})
        assert "ratelimit-limit" not in refused.headers
        assert "ratelimit-limit" not in (await client.get("/health")).headers
    assert (await client.get(JOBS)).headers["ratelimit-remaining"] == "5"


async def test_redis_away_lets_everybody_in_is_counted_and_limits_hold_again_once_it_is_back(
    database: str, tmp_path: Path
) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        limits = LimitSettings(server.url, {"standard": 1}, capacity=1000)
        async with gateway_on(database, tmp_path, limits=limits) as (_, client):
            assert (await client.get(JOBS)).status_code == 200
            problem(await client.get(JOBS), 429)
            server.kill()
            since = Since()
            for _ in range(3):
                answer = await client.get(JOBS)
                assert answer.status_code == 200
                assert "ratelimit-limit" not in answer.headers
            assert since("sluice_rate_limit_decisions_total", decision="failed_open") == 3
            server.start()
            async with asyncio.timeout(20):
                while (await client.get(JOBS)).status_code == 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            problem(await client.get(JOBS), 429)
    finally:
        server.kill()
