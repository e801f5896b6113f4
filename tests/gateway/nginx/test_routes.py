"""What reaches the gateway, from whom, and how large; and what never does."""

import re
import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.app import SUBMISSION_BYTES, routed, table
from tests.gateway.conftest import problem
from tests.gateway.nginx.world import CALLBACK, JOBS, Upstream, World, claims, from_, raw
from tests.local_http import asgi, serving
from tests.nginx import FOLDER, edge, program

# Of the OpenAPI, from inside only; and what a gateway answers or a platform has beside, which nobody outside may reach.
INTERNAL = {"/api/orchestrator/jobs/{job_id}/complete"}
NEVER = (
    "/",
    "/metrics",
    "/stub_status",
    "/apiary",
    "/events/more",
    "/health/more",
    "/docs",
    "/system/functions",
    "/function/orchestrator",
    "/async-function/scrape",
    "/broker/default/default",
    "/dead-letters",
    "/v1/embeddings",
    "/keys",
    "/auth",
)


def openapi() -> dict[str, Any]:
    document: dict[str, Any] = routed(table()).openapi()
    return document


def operations() -> list[tuple[str, str]]:
    return [(method.upper(), path) for path, item in openapi()["paths"].items() for method in item]


async def test_every_route_of_the_openapi_reaches_the_gateway_and_the_internal_ones_from_inside_only(
    balanced: World,
) -> None:
    reached, closed = set(), set()
    for number, (method, template) in enumerate(operations()):
        path = re.sub(r"{\w+}", "7a0e2a1c-4f0b-4a55-9a0e-6f2f0a1b2c3d", template)
        stranger = await balanced.client.request(method, path, headers=from_(f"203.0.113.{number}"))
        if stranger.status_code == 403:
            assert problem(stranger, 403)["code"] == "private_network_only"
            closed.add(template)
            stranger = await balanced.client.request(method, path, headers=from_(f"10.0.0.{number}"))
        assert stranger.status_code == 200, (method, template, stranger.text)
        assert balanced.upstream.seen[-1].url.path == path
        reached.add((method, template))
    assert reached == set(operations())
    assert closed == INTERNAL


@pytest.mark.parametrize("path", NEVER)
async def test_nothing_else_of_the_platform_is_reached_from_outside(path: str, balanced: World) -> None:
    for method in ("GET", "POST"):
        answer = await balanced.client.request(method, path, headers=from_("203.0.113.9"))
        assert answer.status_code in (403, 404), (method, path)
    assert balanced.upstream.seen == []


async def test_what_a_client_says_of_its_address_goes_nowhere(world: World) -> None:
    await world.client.get("/api/corpora", headers=claims(1)[0])
    assert (await world.client.post(CALLBACK, headers=claims(1)[0])).status_code == 403
    [request] = world.upstream.seen
    assert request.headers["x-forwarded-for"] == request.headers["x-real-ip"] == "127.0.0.1"
    assert "forwarded" not in request.headers


CALLBACK_WRITTEN_OTHERWISE = (
    CALLBACK,
    CALLBACK + "?document=1",
    CALLBACK + "/",
    CALLBACK.replace("complete", "%63omplete"),
    CALLBACK.replace("complete", "COMPLETE"),
    CALLBACK.replace("/jobs", "//jobs"),
    CALLBACK.replace("/jobs", "/./jobs"),
    CALLBACK.replace("/api", "/health/../api"),
    CALLBACK.replace("/complete", "%2fcomplete"),
    CALLBACK.replace("7a0e", "x%2fy"),
    CALLBACK.replace("7a0e", "x%0ay"),
    CALLBACK + "%0a",
    CALLBACK + ";v=1",
)


@pytest.mark.parametrize("target", CALLBACK_WRITTEN_OTHERWISE)
async def test_the_callback_is_closed_to_strangers_however_it_is_written(target: str, balanced: World) -> None:
    for address in ("203.0.113.9", "127.0.0.1", "172.32.0.1", "11.0.0.1"):
        answer = await raw(balanced.edge, f"POST {target} HTTP/1.1", X_Balancer_Saw=address)
        assert answer.status_code == 403, address
        assert problem(answer, 403)["code"] == "private_network_only"
    assert balanced.upstream.seen == []


@pytest.mark.parametrize("address", ["10.1.2.3", "172.16.0.9", "192.168.1.1"])
async def test_the_callback_is_open_to_private_networks(address: str, balanced: World) -> None:
    assert (await balanced.client.post(CALLBACK, headers=from_(address))).json()["path"] == CALLBACK


async def test_counts_are_shown_to_the_machine_itself_only(balanced: World) -> None:
    assert "Active connections" in (await balanced.client.get("/stub_status", headers=from_("127.0.0.1"))).text
    for address in ("10.1.2.3", "203.0.113.9"):
        problem(await balanced.client.get("/stub_status", headers=from_(address)), 403)


async def test_what_the_gateway_says_passes_through(world: World) -> None:
    answer = await world.client.get(f"{JOBS}/own-problem")
    assert (answer.status_code, answer.content) == (404, b"{}")


async def test_a_body_as_large_as_any_route_takes_reaches_the_gateway(world: World) -> None:
    answer = await world.client.post(JOBS, content=b"x" * SUBMISSION_BYTES)
    assert answer.json()["size"] == SUBMISSION_BYTES
    problem(await world.client.post(JOBS, content=b"x" * (SUBMISSION_BYTES + 1)), 413)


async def test_over_tls_requests_pass_and_plain_http_is_refused() -> None:
    program()
    upstream = Upstream()
    async with serving(asgi(upstream)) as url, edge(urlsplit(url).netloc, variant="tls") as made:
        trusted = ssl.create_default_context(cafile=str(made.folder / "tls.crt"))
        async with httpx.AsyncClient(trust_env=False, verify=trusted) as client:
            answer = await client.get(f"{made.tls_url}/api/corpora")
            assert answer.json()["headers"]["x-forwarded-proto"] == "https"
            assert "strict-transport-security" in answer.headers
            plain = await client.get(f"{made.url}/api/corpora", headers={"X-API-Key": "slk_sent-in-clear"})
            assert problem(plain, 403)["code"] == "https_required"
            assert (await client.get(f"{made.url}/health")).status_code == 200
            confused = await client.get(made.tls_url.replace("https", "http") + "/health")
            assert problem(confused, 400)["code"] == "https_expected"
    assert [request.url.path for request in upstream.seen] == ["/api/corpora", "/health"]


def test_the_timeouts_are_those_agreed() -> None:
    routes = (FOLDER / "edge" / "routes.conf").read_text()
    stages = {"orchestrator": 120, "scraper": 35, "chunking": 15, "embedding": 65}
    for stage, seconds in stages.items():
        _, _, after = routes.partition(f"location /api/{stage}/ {{")
        assert f"proxy_read_timeout {seconds}s;" in after.partition("}")[0]
