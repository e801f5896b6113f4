"""Sends webhooks that are due: signed, guarded, a few at a time. Who does not answer is asked again, later."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from functions.orchestrator.core import Answered, outcome_of
from observe import context, metrics, tracing
from observe.span import Span
from observe.vocabulary import Name, Value
from shared.errors import SluiceError
from shared.events.codec import STRUCTURED
from shared.events.webhooks import WebhookSigner
from shared.outbound.addresses import Guard
from shared.store import webhooks
from shared.store.store import Store
from shared.store.webhooks import Delivery

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

_DELIVERIES: Final = (
    metrics.counter("sluice_webhook_deliveries_total", "Tries to deliver a webhook.", "outcome")
    .expect("delivered")
    .expect("retried")
    .expect("failed")
)

USER_AGENT = "Sluice-Webhooks/1"
AT_ONCE = 10
ANSWER_S = 10.0
LONGEST_S = 25.0
# Longer than a whole round: nobody else takes a delivery that is being tried.
HOLD_S = 60.0


@dataclass
class WebhookSender:
    """The client opens with the first delivery: most orchestrators never send any."""

    store: Store
    guard: Guard
    signer: WebhookSigner
    clock: Callable[[], datetime]
    stack: AsyncExitStack
    jitter: Callable[[], float] = random.random
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    client: "httpx.AsyncClient | None" = None

    async def send_due(self) -> None:
        """Until none is due, or its time is over: then the next tick goes on."""
        until = time.monotonic() + LONGEST_S - ANSWER_S
        while time.monotonic() < until:
            due = await webhooks.take_due(self.store, self.clock(), AT_ONCE, HOLD_S)
            if not due:
                return
            await asyncio.gather(*map(self._try, due))

    async def _try(self, delivery: Delivery) -> None:
        started = time.monotonic()
        with _span(delivery) as span:
            answered = await self._post(delivery)
            _told(span, answered)
        now = self.clock()
        outcome = outcome_of(answered, delivery.attempt, time.monotonic() - started, now, self.jitter())
        await webhooks.record(self.store, delivery, outcome, now)
        _DELIVERIES.inc("delivered" if outcome.delivered else "retried" if outcome.next_at else "failed")

    async def _post(self, delivery: Delivery) -> Answered:
        import httpx  # noqa: PLC0415

        body = delivery.event.encode()
        headers = self.signer.headers(delivery.caller_id, str(delivery.id), int(self.clock().timestamp()), body)
        headers |= {"Content-Type": STRUCTURED, "User-Agent": USER_AGENT}
        client = await self._open()
        try:
            # Nobody reads what they answer: the status says it all.
            async with (
                asyncio.timeout(ANSWER_S),
                client.stream("POST", delivery.url, content=body, headers=headers) as response,
            ):
                return Answered(status=response.status_code)
        except SluiceError as exc:
            return Answered(error=exc.code, final=not exc.retryable)
        except (TimeoutError, httpx.TimeoutException):
            return Answered(error="timeout")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
            return Answered(error=type(exc).__name__)
        except Exception:
            log.exception("webhook not sent", extra={"delivery_id": str(delivery.id)})
            return Answered(error="internal_error")

    async def _open(self) -> "httpx.AsyncClient":
        import httpx  # noqa: PLC0415

        from shared.outbound.network import open_client  # noqa: PLC0415

        async with self.opening:
            if self.client is None:
                tls = await asyncio.to_thread(httpx.create_ssl_context)
                opened = open_client(self.guard, tls=tls, user_agent=USER_AGENT, connections=AT_ONCE)
                self.client = await self.stack.enter_async_context(opened)
            return self.client


def _span(delivery: Delivery) -> Span:
    """In the trace of the request for the job. Of the address it says only whose it is: many are secrets as a whole."""
    attributes: dict[Name, Value] = {
        "http.request.method": "POST",
        "http.request.resend_count": delivery.attempt - 1,
        "server.address": urlsplit(delivery.url).hostname or "",
        "cloudevents.event_id": str(delivery.id),
    }
    asked = context.parse(delivery.traceparent)
    return tracing.span("webhook", attributes, kind="client", parent=asked, about={"job.id": str(delivery.job_id)})


def _told(span: Span, answered: Answered) -> None:
    if answered.status is not None:
        span.set("http.response.status_code", answered.status)
    if not answered.taken:
        span.failed(answered.error or str(answered.status))
