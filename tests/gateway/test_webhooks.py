"""Webhooks: a job's end told to whoever wanted to hear it, signed, tried again, and never into the closed network."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from starlette.requests import Request
from starlette.responses import Response

from functions.orchestrator.core import MAX_TRIES, Answered, outcome_of
from observe.vocabulary import strangers
from tests.fakes.telemetry import parent_id, recording, span_id, trace_id
from tests.gateway.conftest import ALICE, SIGNING_KEY, World, gateway_on, problem
from tests.local_http import asgi, closed_port, serving
from tests.numbers import Since

JOBS, DELIVERIES = "/api/orchestrator/jobs", "/api/webhooks/deliveries"
COUNTED = "sluice_webhook_deliveries_total"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Ear:
    """A receiver: what it heard, and what it answers."""

    url: str = ""
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: Response = field(default_factory=lambda: Response(status_code=204))

    async def __call__(self, request: Request) -> Response:
        self.heard.append((dict(request.headers), await request.body()))
        return self.answer


@asynccontextmanager
async def listening() -> AsyncIterator[Ear]:
    ear = Ear()
    async with serving(asgi(ear)) as url:
        ear.url = f"{url}/hook"
        yield ear


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    async with listening() as heard:
        yield heard


async def ended_job(world: World, url: str, **more: Any) -> str:
    """A job that names this webhook, and has ended well."""
    body = {"url": "https://example.org/a", "webhook": {"url": url} | more}
    answer = await world.client.post(JOBS, json=body)
    assert answer.status_code == 202, answer.text
    await world.pipeline.pass_all()
    job_id: str = answer.json()["job_id"]
    return job_id


async def deliveries(world: World, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.client.get(DELIVERIES, params=query)).json()["deliveries"]
    return found


async def due_now(world: World) -> None:
    await world.store.pool.execute("UPDATE webhook_deliveries SET next_at = now() WHERE next_at IS NOT NULL")
    await world.tick()


async def test_the_end_of_a_job_arrives_signed(world: World, ear: Ear) -> None:
    await world.works()
    job_id = await ended_job(world, ear.url)
    assert (await world.client.get(f"{JOBS}/{job_id}")).json()["webhook_url"] == ear.url
    assert await world.store.pool.fetchval("SELECT overdue FROM overdue"), "a tick has something to do"
    await world.tick()
    [(headers, body)] = ear.heard
    event = json.loads(body)
    assert headers["content-type"] == "application/cloudevents+json"
    assert (event["type"], event["data"]["job_id"]) == ("dev.sluice.job.completed.v1", job_id)
    assert event["data"]["counts"]["indexed"] == 1

    secret = (await world.client.get("/api/webhooks/secret")).json()["secret"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    theirs = (await world.client.get("/api/webhooks/secret", headers=world.as_bob())).json()["secret"]
    assert theirs != secret, "each caller has a secret of its own"

    [delivery] = await deliveries(world)
    assert (delivery["delivery_id"], delivery["job_id"]) == (headers["webhook-id"], job_id)
    assert (delivery["status"], delivery["next_at"]) == ("delivered", None)
    assert [(one["attempt"], one["status"], one["error"]) for one in delivery["attempts"]] == [(1, 204, None)]


async def test_who_does_not_take_it_is_asked_again_until_it_does(world: World, ear: Ear) -> None:
    await world.works()
    since = Since()
    ear.answer = Response(status_code=503)
    await ended_job(world, ear.url)
    await world.tick()
    await world.tick()
    assert len(ear.heard) == 1, "not before its time"
    [delivery] = await deliveries(world)
    assert (delivery["status"], delivery["attempts"][0]["status"]) == ("pending", 503)
    assert datetime.fromisoformat(delivery["next_at"]) > datetime.now(UTC)
    ear.answer = Response(status_code=200)
    await due_now(world)
    [delivery] = await deliveries(world, status="delivered")
    assert [one["status"] for one in delivery["attempts"]] == [503, 200]
    assert len({headers["webhook-id"] for headers, _ in ear.heard}) == 1
    assert [since(COUNTED, outcome=outcome) for outcome in ("retried", "delivered", "failed")] == [1, 1, 0]


async def test_what_arrived_is_sent_again_on_demand(world: World, ear: Ear) -> None:
    await world.works()
    await ended_job(world, ear.url)
    await world.tick()
    [delivery] = await deliveries(world)
    path = f"{DELIVERIES}/{delivery['delivery_id']}/redeliver"
    assert problem(await world.client.post(path, headers=world.as_bob()), 404)["code"] == "delivery_not_found"
    answer = await world.client.post(path)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    await world.tick()
    assert len(ear.heard) == 2
    [delivery] = await deliveries(world)
    assert [one["attempt"] for one in delivery["attempts"]] == [1, 2]


async def test_only_the_endings_that_were_asked_for_are_told(world: World, ear: Ear) -> None:
    await world.works()
    await ended_job(world, ear.url, events=["job.failed"])
    assert await deliveries(world) == []
    answer = await world.client.post(JOBS, json={"url": "https://example.org/b", "webhook": {"url": ear.url}})
    await world.client.post(f"{JOBS}/{answer.json()['job_id']}/cancel")
    await world.tick()
    assert [json.loads(body)["type"] for _, body in ear.heard] == ["dev.sluice.job.cancelled.v1"]


async def test_deliveries_are_the_callers_own_and_of_a_job(world: World, ear: Ear) -> None:
    await world.works()
    first, second = [await ended_job(world, ear.url) for _ in range(2)]
    assert [one["job_id"] for one in await deliveries(world)] == [second, first]
    assert [one["job_id"] for one in await deliveries(world, job_id=first)] == [first]
    theirs = await world.client.get(DELIVERIES, headers=world.as_bob())
    assert theirs.json() == {"deliveries": [], "next": None}
    page = (await world.client.get(DELIVERIES, params={"limit": 1})).json()
    rest = (await world.client.get(DELIVERIES, params={"limit": 1, "cursor": page["next"]})).json()
    assert [one["job_id"] for one in page["deliveries"] + rest["deliveries"]] == [second, first]


async def test_a_redirect_is_not_followed(world: World, ear: Ear) -> None:
    await world.works()
    async with listening() as inside:
        ear.answer = Response(status_code=302, headers={"location": inside.url})
        await ended_job(world, ear.url)
        await world.tick()
        assert inside.heard == []
    [delivery] = await deliveries(world)
    assert (delivery["status"], delivery["attempts"][0]["error"]) == ("pending", "answered 302")


async def test_an_address_of_the_closed_network_is_never_reached(world: World) -> None:
    """The name passed the gateway; what it leads to is looked at when it is called."""
    await world.works()
    await ended_job(world, "http://127.0.0.1:9/hook")
    await world.store.pool.execute("UPDATE webhook_deliveries SET url = 'http://169.254.169.254/latest'")
    since = Since()
    with recording() as recorded:
        await world.tick()
        said = recorded.one("webhook").attributes or {}
        assert (said["server.address"], said["error.type"]) == ("169.254.169.254", "address_refused")
    [delivery] = await deliveries(world)
    assert (delivery["status"], delivery["attempts"][0]["error"]) == ("failed", "address_refused")
    assert [since(COUNTED, outcome=outcome) for outcome in ("retried", "delivered", "failed")] == [0, 0, 1]


async def test_an_address_that_cannot_be_meant_is_refused_when_the_job_comes(database: str, tmp_path: Any) -> None:
    refused = (
        "ftp://example.org/",
        "http://localhost/hook",
        "http://metadata.internal/",
        "https://example.org:22/",
        "https://user:hunter2@example.org/",
        "nothing",
    )
    async with gateway_on(database, tmp_path) as (behind, client):
        for url in refused:
            body = problem(await _submit(client, url), 422)
            assert (body["code"], body["field"]) == ("webhook_url_invalid", "webhook.url"), url
            assert "hunter2" not in json.dumps(body)
        assert behind.events == []
        assert (await _submit(client, "https://example.org/hook")).status_code == 202


async def _submit(client: httpx.AsyncClient, url: str) -> httpx.Response:
    return await client.post(JOBS, json={"url": "https://example.org/", "webhook": {"url": url}})


async def test_a_job_without_a_job_id_of_the_callers_is_told_to_nobody(world: World) -> None:
    await world.works()
    job_id = str(uuid4())
    for body in ({"url": "https://example.org/a"}, {"url": "https://example.org/b", "job_id": job_id}):
        assert (await world.client.post("/api/scraper/enqueue", json=body)).status_code == 202
    await world.pipeline.pass_all()
    ended = await world.store.pool.fetch("SELECT event ->> 'jobid' AS job FROM outbox WHERE event ->> 'type' ~ 'job'")
    assert [row["job"] for row in ended] == [job_id]
    states = await world.store.pool.fetch("SELECT state FROM jobs WHERE caller_id = $1", ALICE)
    assert {row["state"] for row in states} == {"completed"}


def test_who_is_gone_is_not_asked_again() -> None:
    for answered in (Answered(status=410), Answered(error="address_refused", final=True)):
        outcome = outcome_of(answered, 1, 0.1, NOW, 0.5)
        assert (outcome.delivered, outcome.next_at) == (False, None)


def test_tries_are_ever_further_apart_and_end() -> None:
    waits = []
    for attempt in range(1, MAX_TRIES):
        next_at = outcome_of(Answered(error="timeout"), attempt, 0.1, NOW, 1.0).next_at
        assert next_at is not None
        waits.append(next_at - NOW)
    assert waits == sorted(waits)
    assert timedelta(hours=3) < sum(waits, timedelta()) < timedelta(hours=6)
    assert outcome_of(Answered(status=500), MAX_TRIES, 0.1, NOW, 1.0).next_at is None


async def test_each_try_is_a_span_in_the_trace_of_the_request_for_the_job(world: World, ear: Ear) -> None:
    await world.works()
    with recording() as recorded:
        ear.answer = Response(status_code=503)
        ear.url = f"{ear.url}/a-secret-of-theirs?token=another-secret&plain=words"
        job_id = await ended_job(world, ear.url)
        for answer in (503, 204):
            ear.answer = Response(status_code=answer)
            await due_now(world)
        post = recorded.one("POST /api/orchestrator/jobs")
        first, second = recorded.named("webhook")
        for tried in (first, second):
            assert (trace_id(tried), parent_id(tried), tried.kind) == (trace_id(post), span_id(post), SpanKind.CLIENT)
            said = tried.attributes or {}
            assert (said["job.id"], said["server.address"]) == (job_id, "127.0.0.1")
            assert strangers(said) == {}
        assert [(span.attributes or {})["http.request.resend_count"] for span in (first, second)] == [0, 1]
        assert [(span.attributes or {})["http.response.status_code"] for span in (first, second)] == [503, 204]
        assert [(span.attributes or {}).get("error.type") for span in (first, second)] == ["503", None]
        assert [span.status.status_code for span in (first, second)] == [StatusCode.ERROR, StatusCode.UNSET]
        told = repr([span.to_json() for span in recorded.spans()])
        for secret in ("a-secret-of-theirs", "another-secret", "plain=words", "whsec_", SIGNING_KEY.decode()):
            assert secret not in told


async def test_a_try_that_nobody_answers_says_why_in_its_span(world: World) -> None:
    await world.works()
    with recording() as recorded:
        await ended_job(world, f"http://127.0.0.1:{closed_port()}/")
        await due_now(world)
        said = recorded.one("webhook").attributes or {}
        assert (said["error.type"], "http.response.status_code" in said) == ("ConnectError", False)
