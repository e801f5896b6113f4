"""Both transports against real HTTP servers, with what receivers really answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from shared.errors import InvalidInput, Unavailable
from shared.events.codec import decode, encode_binary
from shared.events.event import CloudEvent
from shared.events.signing import Signer
from shared.publish.broker import BrokerSink
from shared.publish.direct import DirectSink
from shared.publish.open import SinkSettings, open_sink
from shared.publish.poster import Poster
from shared.publish.routes import Route, load_routes
from shared.settings import Environment
from tests.local_http import asgi, closed_port, serving
from tests.numbers import Since

SIGNER = Signer([b"k" * 32])
CHUNKED = "dev.sluice.document.chunked.v1"
REQUESTED = "dev.sluice.chunk.requested.v1"


def event(kind: str = REQUESTED, **extensions: str) -> CloudEvent:
    return CloudEvent("e-1", "/functions/test", kind, {"n": 1}, "doc", "2026-11-21T00:00:00Z", extensions=extensions)


class Receiver:
    """Answers what the test scripts, then 202 for ever; keeps what came."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.paths: list[str] = []
        self.events: list[CloudEvent] = []
        self.headers: list[dict[str, str]] = []

    async def __call__(self, request: Request) -> Response:
        self.paths.append(request.url.path)
        self.headers.append(dict(request.headers))
        self.events.append(decode(request.headers, await request.body()))
        return self.answers.pop(0) if self.answers else Response(status_code=202)


class Waits:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@asynccontextmanager
async def posting(handler: Callable[[Request], Awaitable[Response]], waits: Waits) -> AsyncIterator[tuple[str, Poster]]:
    async with serving(asgi(handler)) as url:
        poster = Poster((0.1, 0.5), timeout_s=5, sleep=waits)
        try:
            yield url, poster
        finally:
            await poster.close()


def outcomes(since: Since) -> tuple[float, ...]:
    """Of events, not of tries: sent, unavailable, refused."""
    return tuple(
        since("sluice_published_events_total", outcome=outcome) for outcome in ("sent", "unavailable", "refused")
    )


def reply(reply_event: CloudEvent) -> Response:
    headers, body = encode_binary(reply_event)
    return Response(body, 200, dict(headers))


async def test_a_broker_gets_the_signed_event_in_binary_mode() -> None:
    receiver = Receiver()
    async with posting(receiver, Waits()) as (url, poster):
        await BrokerSink(f"{url}/sluice/default", SIGNER, poster).publish(event(jobid="j", token="3"))
    assert receiver.paths == ["/sluice/default"]
    SIGNER.verify(receiver.events[0])
    assert receiver.events[0].extensions["token"] == "3"


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 503])
async def test_what_a_retry_can_help_is_tried_again(status: int) -> None:
    receiver, waits, since = Receiver(Response(status_code=status), Response(status_code=status)), Waits(), Since()
    async with posting(receiver, waits) as (url, poster):
        await BrokerSink(url, SIGNER, poster).publish(event())
    assert len(receiver.events) == 3
    assert outcomes(since) == (1, 0, 0)
    assert waits.seconds == [0.1, 0.5]


async def test_retry_after_is_honoured() -> None:
    receiver, waits = Receiver(Response(status_code=429, headers={"Retry-After": "7"})), Waits()
    async with posting(receiver, waits) as (url, poster):
        await BrokerSink(url, SIGNER, poster).publish(event())
    assert waits.seconds == [7.0]


async def test_after_the_last_try_it_is_unavailable() -> None:
    receiver, since = Receiver(*[Response(status_code=500)] * 3), Since()
    async with posting(receiver, Waits()) as (url, poster):
        with pytest.raises(Unavailable) as error:
            await BrokerSink(url, SIGNER, poster).publish(event())
    assert error.value.code == "receiver_unavailable"
    assert outcomes(since) == (0, 1, 0)


async def test_nobody_there_is_unavailable() -> None:
    poster = Poster((0.0,), sleep=Waits())
    with pytest.raises(Unavailable):
        await BrokerSink(f"http://127.0.0.1:{closed_port()}", SIGNER, poster).publish(event())
    await poster.close()


@pytest.mark.parametrize("status", [301, 400, 401, 413])
async def test_a_refusal_is_not_tried_again(status: int) -> None:
    receiver, since = Receiver(Response(status_code=status, headers={"Location": "/elsewhere"})), Since()
    async with posting(receiver, Waits()) as (url, poster):
        with pytest.raises(InvalidInput):
            await BrokerSink(url, SIGNER, poster).publish(event())
    assert len(receiver.events) == 1
    assert outcomes(since) == (0, 0, 1)


async def test_a_connection_serves_many_events_at_once() -> None:
    receiver = Receiver()
    async with posting(receiver, Waits()) as (url, poster):
        sink = BrokerSink(url, SIGNER, poster)
        await asyncio.gather(*(sink.publish(event()) for _ in range(50)))
    assert len(receiver.events) == 50


def direct(url: str, poster: Poster, routes: Sequence[Route]) -> DirectSink:
    return DirectSink(routes, url + "/function/{name}", SIGNER, poster)


async def test_direct_delivery_asks_the_functions_that_want_the_event_for_a_reply() -> None:
    receiver = Receiver()
    routes = [Route("chunk", {"type": REQUESTED}), Route("audit", {}), Route("other", {"type": CHUNKED})]
    async with posting(receiver, Waits()) as (url, poster):
        await direct(url, poster, routes).publish(event())
    assert receiver.paths == ["/function/chunk", "/function/audit"]
    assert [headers["prefer"] for headers in receiver.headers] == ["reply", "reply"]


async def test_a_reply_travels_on_to_its_own_subscribers_as_it_is() -> None:
    answer = SIGNER.sign(event(CHUNKED))
    receiver = Receiver(reply(answer))
    routes = [Route("chunk", {"type": REQUESTED}), Route("orchestrator", {"type": CHUNKED})]
    async with posting(receiver, Waits()) as (url, poster):
        await direct(url, poster, routes).publish(event())
    assert receiver.paths == ["/function/chunk", "/function/orchestrator"]
    assert receiver.events[1] == answer


async def test_an_unsigned_reply_is_not_vouched_for() -> None:
    receiver = Receiver(reply(event(CHUNKED)))
    routes = [Route("chunk", {"type": REQUESTED}), Route("orchestrator", {"type": CHUNKED})]
    async with posting(receiver, Waits()) as (url, poster):
        await direct(url, poster, routes).publish(event())
    assert "signature" not in receiver.events[1].extensions


async def test_replies_that_go_round_in_circles_end() -> None:
    async def echo(request: Request) -> Response:
        received.append(1)
        return reply(decode(request.headers, await request.body()))

    received: list[int] = []
    async with posting(echo, Waits()) as (url, poster):
        await direct(url, poster, [Route("echo", {})]).publish(event())
    assert len(received) == 17


async def test_an_answer_that_is_no_event_is_dropped() -> None:
    async with posting(Receiver(Response("OK")), Waits()) as (url, poster):
        await direct(url, poster, [Route("chunk", {})]).publish(event())


async def test_one_that_fails_does_not_keep_the_event_from_the_others() -> None:
    async def handler(request: Request) -> Response:
        paths.append(request.url.path)
        return Response(status_code={"/function/down": 500, "/function/picky": 400}.get(request.url.path, 204))

    paths: list[str] = []
    since = Since()
    async with posting(handler, Waits()) as (url, poster):
        with pytest.raises(Unavailable, match="down"):
            await direct(url, poster, [Route("down", {}), Route("picky", {}), Route("well", {})]).publish(event())
    assert paths == ["/function/down"] * 3 + ["/function/picky", "/function/well"]
    assert outcomes(since) == (1, 1, 1)


async def test_nobody_wants_it_and_nothing_happens() -> None:
    poster = Poster(())
    await direct("http://127.0.0.1:9", poster, []).publish(event())
    await poster.close()


def test_a_route_compares_attributes_and_extensions() -> None:
    assert Route("f", {"type": REQUESTED, "jobid": "j"}).wants(event(jobid="j"))
    assert not Route("f", {"jobid": "j"}).wants(event(jobid="k"))
    assert not Route("f", {"jobid": "j"}).wants(event())
    assert Route("f", {"jobid": ""}).wants(event(jobid="k"))
    assert not Route("f", {"jobid": ""}).wants(event())


def test_the_triggers_of_the_project_can_be_delivered_directly() -> None:
    routes = load_routes(Path(__file__).parents[3] / "triggers")
    assert [route.function for route in routes if route.wants(event())] == ["chunk"]
    assert [route.function for route in routes if route.wants(event(CHUNKED))] == ["orchestrator"]


@pytest.mark.parametrize(
    "spec",
    [
        "{filters: [{prefix: {type: dev}}], subscriber: {ref: {name: chunk}}}",
        "{subscriber: {uri: 'http://elsewhere'}}",
    ],
)
def test_a_trigger_that_direct_delivery_cannot_do_is_refused_by_name(tmp_path: Path, spec: str) -> None:
    (tmp_path / "odd.yaml").write_text(f"kind: Trigger\nspec: {spec}\n")
    with pytest.raises(InvalidInput, match=r"odd\.yaml"):
        load_routes(tmp_path)


async def test_the_environment_chooses_the_transport(tmp_path: Path) -> None:
    broker = SinkSettings.read(Environment({"K_SINK": "http://broker/ns/default"}))
    assert isinstance(open_sink(broker, SIGNER), BrokerSink)
    variables = {"EVENT_SINK": "direct", "FUNCTION_URL_TEMPLATE": "http://f/{name}", "TRIGGERS_DIR": str(tmp_path)}
    assert isinstance(open_sink(SinkSettings.read(Environment(variables)), SIGNER), DirectSink)


@pytest.mark.parametrize("variables", [{}, {"EVENT_SINK": "direct"}, {"EVENT_SINK": "pigeon"}])
def test_a_missing_setting_is_named(variables: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as error:
        SinkSettings.read(Environment(variables))
    assert error.value.field in ("BROKER_URL", "FUNCTION_URL_TEMPLATE", "EVENT_SINK")
