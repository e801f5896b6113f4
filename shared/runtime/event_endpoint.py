"""An event comes in: read, verify, hand on, and reply as the sender can take it."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from shared.contracts.envelope import from_event, to_event
from shared.contracts.payload import Payload
from shared.contracts.registry import payload_class
from shared.errors import InvalidInput
from shared.events import codec
from shared.events.event import CloudEvent
from shared.runtime.asgi import Scope
from shared.runtime.function import Answer, Function, Reply
from shared.runtime.http import HttpRequest, HttpResponse

R = TypeVar("R")
logger = logging.getLogger(__name__)
NO_CONTENT = HttpResponse(204)


def now() -> datetime:
    return datetime.now(UTC)


class EventEndpoint(Generic[R]):
    """Answers 204, or 200 with one event for a sender that prefers a reply: a broker takes nothing else for success."""

    def __init__(self, function: Function[R], clock: Callable[[], datetime] = now) -> None:
        self._function = function
        self._clock = clock

    def read(self, scope: Scope, request: HttpRequest) -> tuple[CloudEvent, Payload]:
        """Raises `InvalidInput`, or `Unauthenticated` when the signature is not good."""
        event = codec.decode(scope["headers"], request.body)
        model = payload_class(event.type)
        if model not in self._function.events:
            raise InvalidInput("unknown_event_type", "this function takes no event of this type", field="type")
        if self._function.signer is not None and model.event_type not in self._function.unsigned_ok:
            self._function.signer.verify(event)
        return event, from_event(event)

    async def answer(self, request: HttpRequest, event: CloudEvent, payload: Payload, resources: R) -> HttpResponse:
        reply = self._as_answer(await self._function.events[type(payload)](payload, resources, event), event)
        if reply is None:
            return NO_CONTENT
        if self._function.publish is not None and not _prefers_reply(request):
            await self._function.publish.publish(reply.event)
            await tell(reply.sent)
            return NO_CONTENT
        signer = self._function.signer
        headers, body = codec.encode_binary(signer.sign(reply.event) if signer else reply.event)
        return HttpResponse(200, tuple(headers), body, reply.sent)

    def _as_answer(self, reply: Reply, cause: CloudEvent) -> Answer | None:
        if isinstance(reply, Payload):
            return Answer(to_event(reply, source=self._function.source, cause=cause, time=self._clock()))
        return reply


async def tell(sent: Callable[[], Awaitable[None]] | None) -> None:
    """The answer is out already: a failure here is a matter for the log."""
    if sent is None:
        return
    try:
        await sent()
    except Exception:
        logger.exception("what should follow an answer failed")


def _prefers_reply(request: HttpRequest) -> bool:
    preferences = request.headers.get("prefer", "").lower().split(",")
    return any(preference.partition(";")[0].strip() == "reply" for preference in preferences)
