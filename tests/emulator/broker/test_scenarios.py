"""Every recorded scenario of the real broker, replayed in virtual time."""

import json
from pathlib import Path
from typing import Any

import pytest

from emulator.broker.brokers import Ack
from emulator.broker.ports import Answer
from tests.emulator.broker.world import Request, Script, World, eventing, world
from tests.shared_data import path

# The recorder's clock wavers by some tens of milliseconds, and its immediate retries come 40 ms late.
NOISE_S = 0.1
OUR_BROKER = "http://broker-ingress.knative-eventing.svc.cluster.local/ns/default"


def recorded() -> list[Any]:
    try:
        text = path("golden/knative/broker_scenarios.json").read_text()
    except pytest.skip.Exception:
        return []
    found = json.loads(text)
    assert isinstance(found, list)
    return found


def cases() -> list[Any]:
    """Each in both modes; what was recorded over an asynchronous channel compares with ours only when durable."""
    return [
        pytest.param(scenario, ack, id=f"{scenario['name']} {ack}")
        for scenario in recorded()
        for ack in ("durable", "imc-sync")
        if ack == "durable" or not scenario["channelAsync"]
    ]


def scripted(clocked: World, reply: dict[str, Any]) -> Script:
    async def answer(_: Request) -> Answer:
        await clocked.clock.sleep(reply.get("sleep", 0))
        headers = tuple(reply.get("headers", {}).items())
        return Answer(reply.get("status", 202), headers, reply.get("body", "").encode())

    return answer


def seen(request: Request) -> dict[str, Any]:
    errors = {name[3:]: value for name, value in request.headers if name.startswith("ce-knativeerror")}
    return {
        "to": request.to,
        "type": request.header("ce-type"),
        "id": request.header("ce-id"),
        "error": errors,
        "ttl": request.header("ce-knativebrokerttl"),
        "prefer": request.header("prefer"),
        "body": request.body.decode(),
    }


def expected(delivery: dict[str, Any]) -> dict[str, Any]:
    errors = dict(delivery["error"])
    if errors.get("knativeerrordest", "").endswith(":80/ns/default"):
        errors["knativeerrordest"] = OUR_BROKER
    return {name: value for name, value in delivery.items() if name != "t"} | {"error": errors}


@pytest.mark.parametrize(("scenario", "ack"), cases())
async def test_the_broker_behaves_as_recorded(scenario: dict[str, Any], ack: Ack, tmp_path: Path) -> None:
    given = eventing(scenario["triggers"], scenario["brokerDelivery"])
    async with world(given, tmp_path, ack=ack, ttl=scenario["ttl"]) as made:
        made.subscribers.scripts = {
            name: scripted(made, reply) for name, reply in scenario["subscriberReplies"].items()
        }
        status = await made.post(scenario["postHeaders"], b'{"a":1}')
        answered_s = made.clock.elapsed_s
        await made.clock.run_out()
        requests = made.subscribers.requests

    synchronous = ack == "imc-sync"
    assert status == (scenario["postStatus"] if synchronous else 202)
    assert answered_s == pytest.approx(scenario["postSeconds"] if synchronous else 0, abs=NOISE_S)
    wanted = [expected(delivery) for delivery in scenario["deliveries"]]
    found = [seen(request) for request in requests]
    for one, other in zip(found, wanted, strict=True):
        one["body"] = one["body"][: len(other["body"])]
    assert found == wanted
    times = [request.at_s for request in requests]
    assert times == pytest.approx([delivery["t"] for delivery in scenario["deliveries"]], abs=NOISE_S)
