"""The trace of a wake-up: who sent it, how long it lay in Redis, and whether a worker had to start for it."""

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from observe import context, process, tracing
from observe.span import Span
from observe.vocabulary import Attributes, Name, Value

if TYPE_CHECKING:
    from rq.job import Job

_CARRIED: Final[tuple[Name, ...]] = ("job.id", "job.url")


def carried() -> dict[str, str]:
    """What goes with a wake-up: the span that sends it, and which job and page that is about."""
    here, about = context.current(), context.about()
    names = {str(name): str(about[name]) for name in _CARRIED if name in about}
    return names | ({"traceparent": here.format()} if here is not None else {})


def sending(queue: str) -> Span:
    attributes: Attributes = {
        "queue.name": queue,
        "messaging.destination.name": queue,
        "messaging.operation.type": "send",
    }
    return tracing.span(f"wake {queue}", attributes, kind="producer")


def of_job(job: "Job | None") -> Span:
    """Of the RQ job that this process was forked for; a test may have none."""
    if job is None:
        return tracing.span("wake-up", kind="consumer")
    return received(job.origin, job.get_meta(refresh=False), job.enqueued_at, time.time())


def received(queue: str, meta: Mapping[str, str], enqueued_at: datetime | None, now_s: float) -> Span:
    parent = context.parse(meta.get("traceparent"))
    about: dict[Name, Value] = {"queue.name": queue}
    about |= {name: meta[name] for name in _CARRIED if name in meta}
    if parent is not None and enqueued_at is not None:
        _record_wait(about, parent, enqueued_at.replace(tzinfo=enqueued_at.tzinfo or UTC).timestamp(), now_s)
    attributes: Attributes = {"messaging.destination.name": queue, "messaging.operation.type": "process"}
    return tracing.span(f"wake-up {queue}", attributes, kind="consumer", parent=parent, about=about)


def _record_wait(about: Attributes, parent: context.TraceContext, enqueued_s: float, now_s: float) -> None:
    tracing.record("wake-up wait", enqueued_s, now_s, about, parent=parent)
    began_s = process.started_at(os.getppid())
    if began_s > enqueued_s:
        tracing.record("cold start", began_s, now_s, about, parent=parent)
