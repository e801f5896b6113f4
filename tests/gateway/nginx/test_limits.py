"""How much an address and a key may send at once, whatever they say of themselves."""

import pytest

from tests.gateway.conftest import problem
from tests.gateway.nginx.world import claims, from_, parsed, timed
from tests.nginx import Edge

# Route -> requests over the rate that an address, and a key, may send at once.
BURSTS = {
    "/api/orchestrator/jobs": (20, 100),
    "/api/scraper/scrape": (10, 50),
    "/api/chunking/chunk": (50, 200),
    "/api/embedding/search": (5, 20),
}
IP_RATE, KEY_RATE = 30, 200


@pytest.mark.parametrize("path", BURSTS)
async def test_an_address_may_send_so_much_and_no_more(path: str, swift: Edge) -> None:
    allowed = BURSTS[path][0] + 1
    passed, refused, seconds, _ = await timed(swift, path, [from_("203.0.113.9")] * (allowed + 60))
    assert allowed <= passed <= allowed + IP_RATE * seconds + 1
    assert refused
    passed, _, _, _ = await timed(swift, path, [from_("203.0.113.10")] * allowed)
    assert passed == allowed, "another address has its own limit"


@pytest.mark.parametrize("path", BURSTS)
async def test_a_key_may_send_so_much_from_wherever_it_comes(path: str, swift: Edge) -> None:
    allowed = BURSTS[path][1] + 1
    everywhere = [from_(f"203.0.{n >> 8}.{n & 255}") | {"X-API-Key": "slk_a-busy-key"} for n in range(allowed + 250)]
    passed, refused, seconds, _ = await timed(swift, path, everywhere)
    assert allowed <= passed <= allowed + KEY_RATE * seconds + 1
    assert refused
    another = from_("203.0.114.1") | {"X-API-Key": "slk_a-quiet-key"}
    assert (await timed(swift, path, [another]))[0] == 1


async def test_a_made_up_key_gives_no_room_of_its_own(swift: Edge) -> None:
    path, allowed = "/api/embedding/search", BURSTS["/api/embedding/search"][1] + 1
    headers = [from_(f"203.0.{n >> 8}.{n & 255}") | {"X-API-Key": f"no key {n}"} for n in range(allowed + 250)]
    _, refused, _, _ = await timed(swift, path, headers)
    assert refused


async def test_who_is_refused_learns_when_to_come_back(swift: Edge) -> None:
    _, _, _, refusals = await timed(swift, "/api/embedding/search", [from_("203.0.113.9")] * 60)
    refusal = parsed(refusals[0])
    assert problem(refusal, 429)["code"] == "edge_limit"
    assert refusal.headers["retry-after"] == "1"


async def test_claiming_other_addresses_gives_no_more_room(swift: Edge) -> None:
    passed, refused, seconds, _ = await timed(swift, "/api/embedding/search", claims(66))
    assert passed <= 6 + IP_RATE * seconds + 1
    assert refused
