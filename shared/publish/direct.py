"""Publishes without a broker: straight to the functions that the Trigger manifests name."""

import logging
from collections.abc import Sequence

from shared.errors import InvalidInput, Unavailable
from shared.events.event import CloudEvent
from shared.events.signing import Signer
from shared.publish.poster import Poster
from shared.publish.routes import Route

log = logging.getLogger(__name__)

MAX_HOPS = 16


class DirectSink:
    """What one subscriber refuses or misses does not keep the event from the others. Replies travel on the same way."""

    def __init__(self, routes: Sequence[Route], template: str, signer: Signer, poster: Poster) -> None:
        self._routes = routes
        self._template = template
        self._signer = signer
        self._poster = poster

    async def publish(self, event: CloudEvent) -> None:
        waiting = [(self._signer.sign(event), MAX_HOPS)]
        missed: list[str] = []
        while waiting:
            current, hops = waiting.pop(0)
            for function in [route.function for route in self._routes if route.wants(current)]:
                reply = await self._deliver(function, current, missed)
                if reply is not None and hops:
                    waiting.append((reply, hops - 1))
        if missed:
            raise Unavailable("event_undelivered", f"not delivered to {', '.join(missed)}")

    async def _deliver(self, function: str, event: CloudEvent, missed: list[str]) -> CloudEvent | None:
        """A refusal is final, as with a broker: it is logged, and no try is repeated for it."""
        try:
            return await self._poster.post(self._template.format(name=function), event)
        except InvalidInput as exc:
            log.warning("%s refused %s: %s", function, event.type, exc.message, extra={"code": exc.code})
        except Unavailable:
            missed.append(function)
        return None

    async def close(self) -> None:
        await self._poster.close()
