"""What the recordings leave open: dead letters, redirects, other brokers, limits, subscribers that misbehave."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from emulator.broker.ports import Answer
from emulator.eventing import read
from tests.emulator.broker.world import Request, Script, always, eventing, uri, world

EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "content-type": "application/json"}
REPLY = {"ce-specversion": "1.0", "ce-id": "r1", "ce-source": "/fn", "ce-type": "t2", "content-type": "text/plain"}
SINK = {"delivery": {"deadLetterSink": uri("dls")}}


def in_turn(*answers: Answer) -> Script:
    left = list(answers)

    async def next_one(_: Request) -> Answer:
        return left.pop(0)

    return next_one


@pytest.mark.parametrize("size", [768, 769, 5000])
async def test_a_large_error_body_is_cut_kills_nobody_and_is_warned_of(
    size: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(eventing({"a": SINK}), tmp_path) as made:
        made.subscribers.scripts["a"] = always(400, b"x" * size)
        await made.post(EVENT)
        await made.clock.run_out()
    (letter,) = made.subscribers.to("dls")
    assert letter.header("ce-knativeerrordata") == base64.b64encode(b"x" * size)[:1024].decode()
    assert (f"trigger a: an error body of {size} bytes ends" in caplog.text) is (size > 768)


async def test_a_dead_letter_is_the_original_event_and_its_sink_may_answer_anything(tmp_path: Path) -> None:
    async with world(eventing({"a": SINK}), tmp_path) as made:
        made.subscribers.scripts = {"a": always(400), "dls": always(200, b"thanks")}
        await made.post(EVENT | {"ce-myext": "v"}, b'{"a":1}')
        await made.clock.run_out()
    (letter,) = made.subscribers.to("dls")
    assert (letter.header("ce-myext"), letter.header("ce-id"), letter.body) == ("v", "1", b'{"a":1}')
    assert (letter.header("kn-namespace"), letter.header("prefer")) == ("ns", None)
    assert made.brokers.snapshot()["trigger ns/a"]["dead_lettered"] == 1


async def test_a_dead_letter_sink_is_retried_like_a_subscriber_and_then_the_event_is_lost(tmp_path: Path) -> None:
    policy = {"retry": 2, "backoffPolicy": "exponential", "backoffDelay": "PT1S", "deadLetterSink": uri("dls")}
    async with world(eventing({"a": {"delivery": policy}}), tmp_path) as made:
        made.subscribers.scripts = {"a": always(400), "dls": always(503)}
        await made.post(EVENT)
        await made.clock.run_out()
    assert [request.at_s for request in made.subscribers.to("dls")] == [0, 1, 3]
    counts = made.brokers.snapshot()["trigger ns/a"]
    assert (counts["dropped"], counts["retried"], counts["dead_lettered"]) == (1, 2, 0)


async def test_retry_after_is_honoured_where_the_trigger_allows_it(tmp_path: Path) -> None:
    policy = {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT0.1S", "retryAfterMax": "PT30S"}
    async with world(eventing({"a": {"delivery": policy}}), tmp_path) as made:
        made.subscribers.scripts["a"] = always(429, headers={"retry-after": "20"})
        await made.post(EVENT)
        await made.clock.run_out()
    assert [request.at_s for request in made.subscribers.to("a")] == [0, 20]


async def test_a_reply_goes_to_every_trigger_with_what_the_subscriber_passed_on(tmp_path: Path) -> None:
    only_replies = {"filter": {"attributes": {"type": "t2"}}}
    async with world(eventing({"a": {}, "b": only_replies, "c": only_replies}), tmp_path) as made:
        passed = {"x-request-id": "from-a", "x-secret": "no"}
        made.subscribers.scripts["a"] = in_turn(Answer(200, tuple((REPLY | passed).items()), b"r"), Answer(204))
        await made.post(EVENT | {"x-request-id": "from-producer"})
        await made.clock.run_out()
    assert sorted(request.to for request in made.subscribers.requests) == ["a", "a", "b", "c"]
    (reply,) = made.subscribers.to("b")
    assert (reply.header("x-request-id"), reply.header("x-secret")) == ("from-a", None)
    assert (reply.header("content-type"), reply.body) == ("text/plain", b"r")


async def test_a_structured_reply_is_read_and_a_broken_one_is_a_failure(tmp_path: Path) -> None:
    envelope = json.dumps({"specversion": "1.0", "id": "r", "source": "/a", "type": "t2", "data": {"n": 1}}).encode()
    structured = (("content-type", "application/cloudevents+json"),)
    only_type = {name: {"filter": {"attributes": {"type": kind}}} for name, kind in (("a", "t"), ("b", "t2"))}
    async with world(eventing(only_type), tmp_path) as made:
        made.subscribers.scripts["a"] = in_turn(Answer(200, structured, envelope), Answer(200, structured, b"{"))
        await made.post(EVENT)
        await made.post(EVENT)
        await made.clock.run_out()
    assert [request.body for request in made.subscribers.to("b")] == [b'{"n": 1}']
    assert made.brokers.snapshot()["trigger ns/a"]["dropped"] == 1


@pytest.mark.parametrize(("status", "method", "body"), [(302, "GET", b""), (307, "POST", b'{"a":1}')])
async def test_redirects_are_followed_as_go_does(status: int, method: str, body: bytes, tmp_path: Path) -> None:
    async with world(eventing({"a": {}}), tmp_path) as made:
        made.subscribers.scripts["a"] = always(status, headers={"location": "/moved"})
        await made.post(EVENT, b'{"a":1}')
        await made.clock.run_out()
    (moved,) = made.subscribers.to("moved")
    assert (moved.method, moved.body) == (method, body)
    assert made.brokers.snapshot()["trigger ns/a"]["delivered"] == 1


async def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    async with world(eventing({"a": SINK}), tmp_path) as made:
        made.subscribers.scripts["a"] = always(301, headers={"location": "/a"})
        await made.post(EVENT)
        await made.clock.run_out()
    assert made.subscribers.to("dls")[0].header("ce-knativeerrorcode") == "500"


async def test_a_redirect_to_no_address_is_a_network_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with world(eventing({"a": SINK}), tmp_path) as made:
        made.subscribers.scripts["a"] = always(301, headers={"location": "//["})
        await made.post(EVENT)
        await made.clock.run_out()
    assert made.subscribers.to("dls")[0].header("ce-knativeerrorcode") == "500"
    assert caplog.records == []


async def test_a_sender_that_breaks_is_a_network_error(tmp_path: Path) -> None:
    async def broken(_: Request) -> Answer:
        raise RuntimeError("a bug")

    async with world(eventing({"a": SINK, "b": {}}), tmp_path) as made:
        made.subscribers.scripts["a"] = broken
        await made.post(EVENT)
        await made.clock.run_out()
    assert len(made.subscribers.to("b")) == len(made.subscribers.to("dls")) == 1


async def test_json_delivery_carries_any_data(tmp_path: Path) -> None:
    async with world(eventing({"a": {"delivery": {"format": "json"}}}), tmp_path) as made:
        for content_type, data in (
            ("text/json", b'{"a": 1}'),
            ("text/json", b"{"),
            ("image/png", b"\xff"),
        ):
            await made.post(EVENT | {"content-type": content_type, "ce-subject": "é"}, data)
        await made.clock.run_out()
    first, second, third = (json.loads(request.body) for request in made.subscribers.requests)
    assert (first["data"], second["data"], third["data_base64"]) == ({"a": 1}, "{", "/w==")
    assert first["subject"] == "é"
    assert "knativebrokerttl" not in first


def manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": name, "namespace": "ns"}
    return {"apiVersion": "eventing.knative.dev/v1", "kind": kind, "metadata": meta, "spec": spec}


async def test_a_broker_can_subscribe_to_another_and_functions_are_reached_by_name(tmp_path: Path) -> None:
    to_second = {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "second"}}
    function = {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "chunk"}, "uri": "/in"}
    given = read(
        [
            manifest("Broker", "first", {}),
            manifest("Broker", "second", {}),
            manifest("Trigger", "forward", {"broker": "first", "subscriber": to_second}),
            manifest("Trigger", "work", {"broker": "second", "subscriber": function}),
        ]
    )
    async with world(given, tmp_path) as made:
        assert await made.post(EVENT, path="/ns/first") == 202
        await made.clock.run_out()
    (request,) = made.subscribers.requests
    assert request.url == "http://chunk.ns.svc.cluster.local/in"
    assert made.brokers.snapshot()["broker ns/second"]["accepted"] == 1


async def test_a_destination_without_a_broker_fails_like_an_ingress(tmp_path: Path) -> None:
    nowhere = {"uri": "http://broker-ingress.knative-eventing.svc.cluster.local/ns/nowhere"}
    async with world(eventing({"a": {"subscriber": nowhere} | SINK}), tmp_path) as made:
        await made.post(EVENT)
        await made.clock.run_out()
    assert made.subscribers.to("dls")[0].header("ce-knativeerrorcode") == "404"


async def test_the_synchronous_channel_holds_the_producer_for_the_whole_chain(tmp_path: Path) -> None:
    kinds = (("a", "t"), ("b", "t2"))
    async with world(
        eventing({name: {"filter": {"attributes": {"type": kind}}} for name, kind in kinds}), tmp_path, ack="imc-sync"
    ) as made:

        async def slow(request: Request) -> Answer:
            await made.clock.sleep(0.3)
            return Answer(200, tuple(REPLY.items())) if request.to == "a" else Answer(503)

        made.subscribers.scripts = {"a": slow, "b": slow}
        assert await made.post(EVENT) == 500
    assert made.clock.elapsed_s == pytest.approx(0.6)


async def test_letters_beyond_ascii_survive_a_reply(tmp_path: Path) -> None:
    only_type = {name: {"filter": {"attributes": {"type": kind}}} for name, kind in (("a", "t"), ("b", "t2"))}
    async with world(eventing(only_type), tmp_path) as made:
        made.subscribers.scripts["a"] = always(200, headers=REPLY | {"ce-subject": "é".encode().decode("latin-1")})
        await made.post(EVENT)
        await made.clock.run_out()
    assert made.subscribers.to("b")[0].header("ce-subject") == "%C3%A9"
