"""What only shows from inside: publishing, what follows an answer, clients that leave, resources that are late."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.envelope import to_event
from shared.contracts.jobs import JobCancelRequested
from shared.contracts.stages import PipelineTick
from shared.errors import Unavailable
from shared.events.codec import encode_binary
from shared.events.event import CloudEvent
from shared.events.signing import Signer
from shared.runtime.app import FunctionApp
from shared.runtime.asgi import Message, Receive
from shared.runtime.function import Function, Limits
from shared.runtime.resources import Resources
from tests.fakes.sink import Sink
from tests.shared.runtime.echo import KEY, function

CANCEL = Signer([KEY]).sign(
    to_event(
        JobCancelRequested(job_id=UUID(int=1), caller_id="c"), source="/gateway", cause=None, time=datetime.now(UTC)
    )
)
PREFER = [(b"prefer", b"respond-async, Reply;x=1")]


@asynccontextmanager
async def app_of(echo: Function[list[str]]) -> AsyncIterator[FunctionApp[list[str]]]:
    resources = Resources(echo.open)
    yield FunctionApp(echo, resources)
    await resources.close()


async def arriving(body: bytes, *, then: Callable[[], Message] | None = None) -> AsyncIterator[Message]:
    yield {"type": "http.request", "body": body, "more_body": False}
    if then is None:
        await asyncio.Event().wait()
    else:
        yield then()


def receiver(messages: AsyncIterator[Message]) -> Receive:
    async def receive() -> Message:
        return await anext(messages)

    return receive


async def send_to(
    app: FunctionApp[list[str]],
    messages: AsyncIterator[Message],
    headers: list[tuple[bytes, bytes]],
    method: str = "POST",
    path: str = "/",
) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": headers}
    await app(scope, receiver(messages), send)
    return sent


def cancel_event(extra: list[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], bytes]:
    headers, body = encode_binary(CANCEL)
    return [(name.encode(), value.encode()) for name, value in headers] + extra, body


async def test_without_the_wish_for_a_reply_the_event_is_published() -> None:
    notes: list[str] = []
    sink = Sink()
    async with app_of(function(notes, publish=sink)) as app:
        headers, body = cancel_event([])
        sent = await send_to(app, arriving(body), headers)
    assert sent[0]["status"] == 204
    assert [event.type for event in sink.events] == [PipelineTick.event_type]
    assert notes[1].startswith("sent ")


async def test_with_the_wish_for_a_reply_nothing_is_published() -> None:
    notes: list[str] = []
    sink = Sink()
    async with app_of(function(notes, publish=sink)) as app:
        headers, body = cancel_event(PREFER)
        sent = await send_to(app, arriving(body), headers)
    assert sent[0]["status"] == 200
    assert sink.events == []
    assert notes[1].startswith("sent ")


async def test_what_cannot_be_published_is_not_taken_for_sent() -> None:
    notes: list[str] = []
    async with app_of(function(notes, publish=Sink(down=True))) as app:
        headers, body = cancel_event([])
        sent = await send_to(app, arriving(body), headers)
    assert sent[0]["status"] == 503
    assert notes == ["opened", "closed"]


async def test_an_answer_that_nobody_took_is_not_taken_for_sent() -> None:
    notes: list[str] = []
    async with app_of(function(notes)) as app:
        headers, body = cancel_event(PREFER)
        sent = await send_to(app, arriving(body, then=lambda: {"type": "http.disconnect"}), headers)
    assert sent == []
    assert notes == ["opened", "closed"]


async def test_a_failure_after_the_answer_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(payload: JobCancelRequested, _: list[str], event: CloudEvent) -> Any:
        from shared.runtime.function import Answer

        async def sent() -> None:
            raise ConnectionError("outbox gone")

        return Answer(event, sent)

    echo = replace(function([]), events={JobCancelRequested: broken})
    async with app_of(echo) as app:
        headers, body = cancel_event(PREFER)
        assert (await send_to(app, arriving(body), headers))[0]["status"] == 200
    assert "outbox gone" in caplog.text


async def test_a_client_that_leaves_while_sending_is_let_go() -> None:
    async def leaving() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": b"{", "more_body": True}
        yield {"type": "http.disconnect"}

    async with app_of(function([])) as app:
        assert await send_to(app, leaving(), []) == []


async def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def stuck() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": b"{", "more_body": True}
        await asyncio.Event().wait()

    async with app_of(function([], limits=Limits(body_timeout_s=0.01))) as app:
        sent = await send_to(app, stuck(), [])
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_who_waits_for_100_continue_is_refused_before_sending() -> None:
    async with app_of(function([], limits=Limits(body_bytes=10))) as app:
        headers = [(b"content-length", b"11"), (b"expect", b"100-continue")]
        sent = await send_to(app, never(), headers)
    assert sent[0]["status"] == 413


async def test_readiness_follows_the_resources_and_requests_wait_for_them() -> None:
    opening = asyncio.Event()
    notes: list[str] = []

    @asynccontextmanager
    async def slowly() -> AsyncIterator[list[str]]:
        await opening.wait()
        yield notes

    async with app_of(replace(function(notes), open=slowly)) as app:
        assert (await send_to(app, never(), [], "GET", "/healthz"))[0]["status"] == 200
        assert (await send_to(app, never(), [], "GET", "/readyz"))[0]["status"] == 503
        headers, body = cancel_event(PREFER)
        waiting = asyncio.create_task(send_to(app, arriving(body), headers))
        await asyncio.sleep(0)
        opening.set()
        assert (await waiting)[0]["status"] == 200
        assert (await send_to(app, never(), [], "GET", "/readyz"))[0]["status"] == 200
        app.drain()
        assert (await send_to(app, never(), [], "GET", "/readyz"))[0]["status"] == 503


async def test_resources_that_never_open_can_be_closed_and_are_unavailable() -> None:
    @asynccontextmanager
    async def forever() -> AsyncIterator[list[str]]:
        await asyncio.Event().wait()
        yield []

    resources = Resources(forever)
    with pytest.raises(Unavailable):
        await resources.get(0.01)
    await resources.close()
    assert not resources.failed
    with pytest.raises(Unavailable):
        await resources.get(0.01)


@pytest.mark.filterwarnings("ignore:coroutine")
async def test_a_dead_side_task_takes_the_resources_down() -> None:
    failing = asyncio.Event()

    async def side_task() -> None:
        await failing.wait()
        raise ConnectionError("gone")

    @asynccontextmanager
    async def opened() -> AsyncIterator[list[str]]:
        async with asyncio.TaskGroup() as group:
            group.create_task(side_task())
            yield []

    resources = Resources(opened)
    await resources.get(1)
    failing.set()
    await asyncio.wait({resources.holder}, timeout=1)
    assert resources.failed
    assert not resources.ready


@pytest.mark.parametrize("missing", ["signer", "membership"])
def test_a_function_that_could_not_tell_friend_from_foe_is_refused(missing: str) -> None:
    with pytest.raises(ValueError, match="no"):
        replace(function([]), **{missing: None})  # type: ignore[arg-type]


async def never() -> AsyncIterator[Message]:
    raise AssertionError("the body is not to be asked for")
    yield {}
