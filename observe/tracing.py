"""Traces: what a process does, for whom, and how long it took. The seam that everything else of ours calls.

On if and only if OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) is set and OTEL_SDK_DISABLED is not true. Off, a
trace still goes on from process to process and stands on every log line; nothing is recorded, and no SDK is imported.
"""

import atexit
import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from observe.context import TraceContext, about, current
from observe.export import Counts, Exporter, Limits
from observe.sampling import Sampler
from observe.span import Kind, Span, active, new_span_id, new_trace_id
from observe.vocabulary import Attributes, Name, Value

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from observe.export import Send

__all__ = [
    *("Span", "TraceContext", "counts", "current", "document", "enabled", "flush", "note", "preload", "record"),
    *("setup", "span", "unkept"),
]

log = logging.getLogger(__name__)

FLUSH_S: Final = 3.0
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NOTHING: Final[Attributes] = {}
_ANSWERING: Final[frozenset[Kind]] = frozenset({"server", "consumer"})


@dataclass(slots=True)
class _Process:
    """As logging has its root logger, so a process has one of these."""

    sampler: Sampler = field(default_factory=Sampler)
    exporter: Exporter | None = None
    renew: Callable[[], Exporter] | None = None


_process = _Process()


def setup(service: str, variables: Mapping[str, str], exporter: "SpanExporter | None" = None) -> None:
    """Once a process, before its first span. `exporter` instead of OTLP's is for tests.

    Starts no thread and imports nothing: a worker may fork after it.
    """
    _process.sampler = Sampler.read(variables)
    _process.exporter = _process.renew = None
    if exporter is None and not (wanted(variables) and _can_be_reached(variables)):
        return
    resource = _resource(service, variables)
    limits = Limits.read(variables)

    def make() -> "Send":
        from observe.otlp import sender  # noqa: PLC0415

        return sender(resource, exporter)

    _process.renew = lambda: Exporter(make, limits)
    atexit.register(flush)
    _process.exporter = _process.renew()


def wanted(variables: Mapping[str, str]) -> bool:
    """Whether a process with this environment exports what it does."""
    disabled = variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    other = variables.get("OTEL_TRACES_EXPORTER", "").strip().lower() not in ("", "otlp")
    return not disabled and not other and any(variables.get(name) for name in _ENDPOINTS)


def _can_be_reached(variables: Mapping[str, str]) -> bool:
    """An address that is none is said, and no reason to stop: nothing would ever arrive there."""
    name = next(name for name in reversed(_ENDPOINTS) if variables.get(name))
    if variables[name].strip().lower().startswith(("http://", "https://")):
        return True
    log.warning(
        "%s is no address such as http://alloy:4318; no span is recorded", name, extra={"action": "endpoint_invalid"}
    )
    return False


def enabled() -> bool:
    return _process.exporter is not None


def preload() -> None:
    """What exporting imports, for a process that forks: its children then find it there."""
    if enabled():
        from observe.otlp import sender  # noqa: PLC0415

        sender({})  # some is imported only with the first exporter that is made


def span(
    name: str,
    attributes: Attributes = _NOTHING,
    *,
    kind: Kind = "internal",
    parent: TraceContext | None = None,
    links: Sequence[TraceContext] = (),
    about: Attributes = _NOTHING,
) -> Span:
    """To be entered with `with`. Its parent is the current span unless one is given.

    Without any a trace begins, if this answers somebody: what a process does of its own accord, over and over, is
    nobody's trace.

    `about` is what all spans and log lines inside are about, too.
    """
    above = parent or current()
    if above is None:
        trace_id = new_trace_id()
        kept = kind in _ANSWERING and _process.sampler.keeps(trace_id)
    else:
        trace_id, kept = above.trace_id, _process.sampler.keeps(above.trace_id, above)
    done = _process.exporter.put if kept and _process.exporter is not None else None
    if above is not None and done is None:
        return Span(name, kind, above, above, {}, about, (), None)
    where = TraceContext(trace_id, new_span_id(), kept)
    if done is None:
        return Span(name, kind, where, None, {}, about, (), None)
    return Span(name, kind, where, above, {**_inherited(), **about, **attributes}, about, links, done)


def note(attributes: Attributes) -> None:
    """Something more about the span under way, from whoever learns it deep inside."""
    if (under_way := active()) is not None:
        under_way.attributes.update(attributes)


def record(
    name: str,
    began_s: float,
    ended_s: float,
    attributes: Attributes = _NOTHING,
    *,
    kind: Kind = "internal",
    parent: TraceContext | None = None,
    where: TraceContext | None = None,
    links: Sequence[TraceContext] = (),
    error: str = "",
) -> None:
    """A span that is known only now that it is over: times in seconds since 1970. `where` is its own place, if it must
    be a certain one: then it has a parent only if one is given."""
    above = parent if where is not None else parent or current()
    trace = where or above
    if _process.exporter is None or trace is None or not _process.sampler.keeps(trace.trace_id, trace):
        return
    own = where or TraceContext(trace.trace_id, new_span_id())
    made = Span(name, kind, own, above, {**_inherited(), **attributes}, _NOTHING, links, _process.exporter.put)
    made.started_ns, made.ended_ns = int(began_s * 1e9), int(max(began_s, ended_s) * 1e9)
    made.error = error
    _process.exporter.put(made)


def document(document_id: UUID, replayed_at: datetime | None = None) -> TraceContext:
    """The root span of a document's trace, or that of a replay: every process agrees on it, and so does a re-run."""
    trace_id = document_id.hex
    named = b"" if replayed_at is None else replayed_at.isoformat().encode()
    root = hashlib.sha256(document_id.bytes + named).hexdigest()[:16]
    return TraceContext(trace_id, root, _process.sampler.keeps(trace_id))


def unkept() -> TraceContext:
    """A trace for the log alone: of what comes every second and finds nothing to do."""
    return TraceContext(new_trace_id(), new_span_id(), sampled=False)


def flush(timeout_s: float = FLUSH_S) -> bool:
    """For the end of a process. Whether everything left in time; what did not is lost, and counted where it can be."""
    return _process.exporter is None or _process.exporter.flush(timeout_s)


def counts() -> Counts:
    """What became of this process's spans, for its metrics."""
    return Counts() if _process.exporter is None else _process.exporter.counts


def _inherited() -> dict[Name, Value]:
    return dict(about())


def _resource(service: str, variables: Mapping[str, str]) -> dict[str, str]:
    """`SERVICE_VERSION` is the commit, which the image sets."""
    return {
        "service.name": service,
        "service.namespace": "sluice",
        "service.version": variables.get("SERVICE_VERSION") or "unknown",
        "service.instance.id": variables.get("HOSTNAME") or str(os.getpid()),
        "deployment.environment": variables.get("DEPLOYMENT_ENVIRONMENT") or "dev",
    }


def _forked() -> None:
    """What the parent has recorded is the parent's to export; its thread is not here any more."""
    if _process.renew is not None:
        _process.exporter = _process.renew()


os.register_at_fork(after_in_child=_forked)
