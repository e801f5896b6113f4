"""Maps events to the store, and sends on what follows from them."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from functions.orchestrator.core import read_sitemap, read_urls, undelivered
from functions.orchestrator.deleting import Deleter
from functions.orchestrator.hooks import WebhookSender
from functions.orchestrator.marker import Marker
from functions.orchestrator.tidying import Tidier
from observe import metrics
from shared.contracts.envelope import from_event, to_event
from shared.contracts.jobs import CorpusDeleteRequested, JobSubmitted, WebhookRedeliveryRequested
from shared.contracts.payload import ObjectRef, Payload
from shared.contracts.ports import EventSink
from shared.contracts.stages import ChunkRequested, PipelineTick, SitemapRead
from shared.errors import InvalidInput, SluiceError, Unavailable
from shared.events import codec
from shared.events.event import CloudEvent
from shared.objects import ObjectStore
from shared.pipeline.policy import Policy
from shared.runtime.function import Answer
from shared.runtime.http import HttpRequest, HttpResponse
from shared.store import deletions, webhooks
from shared.store.audit import add_dead_letter
from shared.store.expand import expand
from shared.store.removals import still_there
from shared.store.store import Store
from shared.store.submit import CorpusDefaults, ensure_corpus, submit_job, submit_text
from shared.store.sweep import sweep, take_turn
from shared.store.transitions import apply

if TYPE_CHECKING:
    from shared.events.signing import Signer

log = logging.getLogger(__name__)

_DEAD_LETTERS: Final = metrics.counter("sluice_dead_letters_received_total", "Events that a broker gave up on.")

SWEEP_EVERY_S = 1.0
TIDY_EVERY_S = 300.0
_STATUS = re.compile("[1-9][0-9]{2}")


@dataclass(frozen=True)
class Desk:
    """What the handlers work with."""

    store: Store
    objects: ObjectStore
    tidier: Tidier
    deleter: Deleter
    webhooks: WebhookSender
    sink: EventSink
    marker: Marker
    signer: "Signer"
    defaults: CorpusDefaults
    policy: Policy
    clock: Callable[[], datetime]


async def submitted(payload: JobSubmitted, desk: Desk, event: CloudEvent) -> Answer | None:
    urls = read_urls(await desk.objects.get(payload.urls), payload.count)
    if payload.text is None:
        return await _answer(desk, await submit_job(desk.store, event, payload, urls, desk.defaults, desk.clock()))
    text = await _adopt(payload.text, payload, desk)
    events = await submit_text(desk.store, event, payload, urls[0], text, desk.defaults, desk.clock(), desk.policy)
    return await _answer(desk, events)


async def _adopt(text: ObjectRef, payload: JobSubmitted, desk: Desk) -> ObjectRef:
    """The text among its corpus's objects, where housekeeping knows what refers to it."""
    corpus_id = await ensure_corpus(desk.store, payload.caller_id, payload.corpus, desk.defaults, desk.clock())
    ref = await desk.objects.put(corpus_id, "text", await desk.objects.get(text))
    if not await still_there(desk.store, [ref.key], partial(_is_stored, desk.objects)):
        raise Unavailable("object_removed", "the same text was just being removed; send it again", retry_after_s=1)
    return ref


async def advanced(payload: Payload, desk: Desk, event: CloudEvent) -> Answer | None:
    """A stage's report, a cancel or a replay."""
    return await _answer(desk, await _applied(desk, event, payload))


async def sitemap_read(payload: SitemapRead, desk: Desk, event: CloudEvent) -> Answer | None:
    content = read_sitemap(await desk.objects.get(payload.found))
    delay_s = desk.defaults.domain_delay_s
    return await _answer(desk, await expand(desk.store, event, payload, content, delay_s, desk.clock(), desk.policy))


async def ticked(_payload: PipelineTick, desk: Desk, _event: CloudEvent) -> None:
    await tick(desk)


async def tick(desk: Desk) -> None:
    """Any number may come at once: the sweep takes turns, and each delivery and deletion is taken by one."""
    swept = await sweep(desk.store, desk.clock(), desk.policy, every_s=SWEEP_EVERY_S)
    await _publish(desk, swept.events)
    await desk.webhooks.send_due()
    await desk.deleter.go_on()
    if await take_turn(desk.store, "objects", TIDY_EVERY_S, desk.clock()):
        await desk.tidier.tidy(desk.clock())


async def corpus_unwanted(payload: CorpusDeleteRequested, desk: Desk, event: CloudEvent) -> None:
    await deletions.begin(desk.store, event, payload, desk.clock())
    await desk.deleter.remove(payload.deletion_id)


async def webhook_wanted_again(payload: WebhookRedeliveryRequested, desk: Desk, event: CloudEvent) -> None:
    """It leaves with the next tick, which it makes due."""
    await webhooks.redeliver(desk.store, event, payload, desk.clock())


async def dead_letter(request: HttpRequest, desk: Desk) -> HttpResponse:
    """What a broker gave up on: kept for people to see, and a failed try for a document that waits for its chunks."""
    event = codec.decode(request.headers, request.body)
    if event.type == PipelineTick.event_type:
        return HttpResponse(204)
    desk.signer.verify(event)
    now = desk.clock()
    status = event.extensions.get("knativeerrorcode", "")
    destination = event.extensions.get("knativeerrordest")
    await add_dead_letter(
        desk.store, event, now, destination=destination, status=int(status) if _STATUS.fullmatch(status) else None
    )
    _DEAD_LETTERS.inc()
    failure = _failure(event)
    if failure is not None:
        cause = to_event(failure, source="/functions/orchestrator", cause=event, time=now)
        await _publish(desk, await _applied(desk, cause, failure))
    return HttpResponse(204)


def _failure(event: CloudEvent) -> Payload | None:
    try:
        return undelivered(from_event(event))
    except InvalidInput:
        return None


async def _applied(desk: Desk, event: CloudEvent, payload: Payload) -> list[CloudEvent]:
    stored = partial(_is_stored, desk.objects)
    return await apply(desk.store, event, payload, desk.clock(), desk.policy, stored)


async def _is_stored(objects: ObjectStore, key: str) -> bool:
    return await objects.stored_at(key) is not None


async def _answer(desk: Desk, events: Sequence[CloudEvent]) -> Answer | None:
    """The first event is the reply; the others leave on their own, before it."""
    await _publish(desk, events[1:])
    if not events:
        return None

    async def sent() -> None:
        _left(desk, events[0])

    return Answer(events[0], sent)


async def _publish(desk: Desk, events: Sequence[CloudEvent]) -> None:
    """What cannot leave now leaves with a later sweep: it is in the outbox, or follows from the state."""
    for event in events:
        try:
            await desk.sink.publish(event)
        except SluiceError as exc:
            log.warning("event not published: %s", exc.message, extra={"code": exc.code, "event_type": event.type})
        else:
            _left(desk, event)


def _left(desk: Desk, event: CloudEvent) -> None:
    # Never in the outbox: a lost request for chunks is made again from the document's state.
    if event.type != ChunkRequested.event_type:
        desk.marker.add(event.id)
