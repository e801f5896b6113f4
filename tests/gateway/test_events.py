"""CloudEvents from other systems."""

import json
from typing import Any

import pytest

from shared.contracts.jobs import JobSubmitted
from tests.gateway.conftest import ALICE, World, problem

TYPE = "dev.sluice.urls.submitted.v1"
DATA = {"urls": ["https://example.org/a", "https://example.org/b"], "corpus": "handbook"}


def binary(**changed: str) -> dict[str, str]:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/cms", "ce-type": TYPE}
    return headers | {"content-type": "application/json"} | {f"ce-{name}": value for name, value in changed.items()}


def structured(**changed: Any) -> bytes:
    event = {"specversion": "1.0", "id": "1", "source": "/cms", "type": TYPE, "data": DATA}
    return json.dumps(event | changed).encode()


STRUCTURED = {"content-type": "application/cloudevents+json"}


async def test_binary_and_structured_events_become_the_same_job(world: World) -> None:
    first = await world.client.post("/events", json=DATA, headers=binary())
    again = await world.client.post("/events", content=structured(), headers=STRUCTURED)
    for answer in (first, again):
        assert answer.status_code == 202, answer.text
        assert answer.content == b"", "a broker takes a body that is no event for a failure"
    assert first.headers["location"] == again.headers["location"]
    assert world.behind.events[0] == world.behind.events[1], "delivered twice, it is one event for the orchestrator"
    payload = world.behind.events[0][1]
    assert isinstance(payload, JobSubmitted)
    assert (payload.caller_id, payload.corpus, payload.count) == (ALICE, "handbook", 2)
    assert first.headers["location"].endswith(str(payload.job_id))


async def test_the_same_event_of_another_caller_or_source_is_another_job(world: World) -> None:
    places = {
        (await world.client.post("/events", json=DATA, headers=headers)).headers["location"]
        for headers in (binary(), binary() | world.as_bob(), binary(source="/wiki"), binary(id="2"))
    }
    assert len(places) == 4


async def test_only_types_meant_for_outsiders_are_taken(world: World) -> None:
    for kind in ("dev.sluice.document.scraped.v1", "dev.sluice.job.submitted.v1", "com.example.thing"):
        body = problem(await world.client.post("/events", json=DATA, headers=binary(type=kind)), 422)
        assert (body["code"], body["field"]) == ("event_type_not_allowed", "type")
    assert world.behind.events == []


async def test_bad_data_names_the_field(world: World) -> None:
    cases: list[tuple[object, str]] = [
        ({"urls": ["https://example.org/", "nonsense"]}, "urls[1]"),
        ({"urls": [1]}, "data.urls[0]"),
        ({"urls": ["https://example.org/"], "caller_id": "me"}, "data.caller_id"),
        (None, "data"),
    ]
    for data, field in cases:
        answer = await world.client.post("/events", content=structured(data=data), headers=STRUCTURED)
        assert problem(answer, 422)["field"] == field
    assert world.behind.events == []


async def test_what_is_no_event_is_a_bad_request(world: World) -> None:
    cases = [
        (b"{}", {"content-type": "application/json"}),
        (b"{", STRUCTURED),
        (b"{}", {"content-type": "application/cloudevents-batch+json"}),
        (b"[1]", {"content-type": "application/cloudevents-batch+json; charset=utf-8"}),
        (structured(specversion="0.3"), STRUCTURED),
        (b"{}", binary(id="")),
    ]
    for content, headers in cases:
        problem(await world.client.post("/events", content=content, headers=headers), 400)


def batch(*events: Any) -> dict[str, Any]:
    headers = {"content-type": "application/cloudevents-batch+json"}
    return {"content": json.dumps([json.loads(event) for event in events]).encode(), "headers": headers}


async def test_a_batch_becomes_a_job_an_event_in_its_order(world: World) -> None:
    other = {"url": "https://example.org/c", "corpus": "wiki"}
    answer = await world.client.post("/events", **batch(structured(), structured(id="2", data=other)))
    assert answer.status_code == 202, answer.text
    jobs = answer.json()["jobs"]
    assert [(job["corpus"], job["documents"]) for job in jobs] == [("handbook", 2), ("wiki", 1)]
    alone = await world.client.post("/events", content=structured(), headers=STRUCTURED)
    assert alone.headers["location"] == jobs[0]["links"]["self"], "in a batch or alone, it is the same event"


async def test_everything_wrong_with_a_batch_is_named_and_nothing_of_it_is_taken(world: World) -> None:
    bad_urls = structured(id="2", data={"urls": ["https://example.org/", "x", "ftp://y"]})
    answer = await world.client.post("/events", **batch(structured(), bad_urls, structured(type="com.example.x")))
    errors = problem(answer, 422)["errors"]
    assert [(error["field"], error["code"]) for error in errors] == [
        ("[1].urls[1]", "url_invalid"),
        ("[1].urls[2]", "url_scheme"),
        ("[2].type", "event_type_not_allowed"),
    ]
    for events in ((), [structured(id=str(n)) for n in range(101)]):
        assert problem(await world.client.post("/events", **batch(*events)), 422)["code"] == "event_batch"
    assert world.behind.events == []


async def test_an_event_has_at_most_64_kib(world: World) -> None:
    urls = [f"https://example.org/{n:05}" for n in range(3000)]
    problem(await world.client.post("/events", json={"urls": urls}, headers=binary()), 413)


@pytest.mark.parametrize("name", ["id", "source", "subject"])
async def test_only_an_extension_may_be_no_string(world: World, name: str) -> None:
    assert (await world.client.post("/events", content=structured(flag=True), headers=STRUCTURED)).status_code == 202
    answer = await world.client.post("/events", content=structured(**{name: False}), headers=STRUCTURED)
    assert problem(answer, 400)["field"] == name
