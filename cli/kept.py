"""What `sluice trace` was asked for, found among the traces that are kept; or the sentence for why it is not there."""

import argparse
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias
from uuid import UUID

from cli import target
from cli.api import JOBS, Api, ApiError
from cli.failure import CommandFailed
from cli.status import said_by
from cli.text import clean, shorten
from emulator.telemetry.kept import KeptTrace, KeptTraces
from observe.received import Span
from observe.sampling import Sampler
from observe.vocabulary import clean as as_told
from shared.errors import SluiceError

DOCUMENTS = "/api/orchestrator/documents"
MOST_OF_A_URL = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """A job's, document's or trace's id as 32 hex digits, or a URL as it is stored."""

    kind: Literal["id", "url"]
    value: str

    @property
    def uuid(self) -> str:
        return str(UUID(self.value))


@dataclass(frozen=True, slots=True)
class OneTrace:
    """`submission` are the spans of the request that handed it in; `others` were of the same URL, and are older."""

    trace: KeptTrace
    spans: list[Span]
    submission: list[Span]
    others: list[KeptTrace]


@dataclass(frozen=True, slots=True)
class OneJob:
    """`slowest` of its `pages`, the slowest first."""

    job_id: str
    pages: int
    submission: list[Span]
    slowest: list[OneTrace]


Found: TypeAlias = OneTrace | OneJob


def asked(what: str) -> Asked:
    """Raises `CommandFailed` for what is neither."""
    with suppress(ValueError):
        return Asked("id", UUID(what).hex)
    if "://" not in what:
        raise CommandFailed(f"{shorten(clean(what), 80)} is no job's or document's id, and no URL", exit_code=2)
    from shared.urls import normalise  # noqa: PLC0415

    try:
        return Asked("url", normalise(what))
    except SluiceError as error:
        raise CommandFailed(f"{error.message} ({error.code})", exit_code=2) from None


def find(kept: KeptTraces, wanted: Asked, most: int) -> Found | None:
    """`most` is how many pages of a job are read."""
    if wanted.kind == "url":
        traces = kept.of_url(as_told(wanted.value), MOST_OF_A_URL)
        return _one(kept, traces[0], traces[1:]) if traces else None
    trace = kept.find(wanted.value)
    return _one(kept, trace, []) if trace else _job(kept, wanted.uuid, most)


def _job(kept: KeptTraces, job_id: str, most: int) -> OneJob | None:
    slowest = [_one(kept, trace, []) for trace in kept.of_job(job_id, most)]
    request = kept.submission(job_id)
    if not slowest and request is None:
        return None
    spans = kept.spans(request.trace_id) if request else []
    return OneJob(job_id, kept.pages(job_id), spans, slowest)


def _one(kept: KeptTraces, trace: KeptTrace, others: list[KeptTrace]) -> OneTrace:
    spans = kept.spans(trace.trace_id)
    request = _request(kept, trace, spans)
    submission = kept.spans(request) if request and request != trace.trace_id else []
    return OneTrace(trace, spans, submission, others)


def _request(kept: KeptTraces, trace: KeptTrace, spans: list[Span]) -> str | None:
    """A page's root is linked to the request that handed it in; before it has ended, the job's own tells."""
    linked = [link.trace_id for span in spans if span.name == "document" for link in span.links]
    if linked:
        return linked[0]
    found = kept.submission(trace.job_id) if trace.job_id and trace.url else None
    return found.trace_id if found else None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Why something may not be kept. `created_at`: the platform knows it, since then. `observing` is None when nobody
    can be asked; `sampled` says whether its trace is one of those that are kept."""

    name: str
    data_dir: Path
    kept_since: datetime | None
    running: bool
    observing: bool | None
    created_at: datetime | None
    sampled: bool
    now: datetime


def absence(case: Circumstances) -> str:
    """Pure."""
    how = "`sluice up --observe` keeps them"
    if case.running and not case.observing:
        again = "stop it with `sluice down`, and start it with `sluice up --observe`"
        return f"nothing is kept of {case.name}: this platform runs without --observe; {again}"
    if case.kept_since is None and not case.running:
        return f"no traces are kept in {case.data_dir}: {how}"
    if not case.running:
        return f"nothing is kept of {case.name} in {case.data_dir}, where traces go back to {_clock(case.kept_since)}"
    if case.created_at is None:
        return f"there is no job, document or page {case.name} of yours on this platform, and nothing is kept of one"
    if not case.sampled:
        return f"{case.name} is not among the traces that are kept: OTEL_TRACES_SAMPLER_ARG chooses only a part of them"
    if (case.now - case.created_at).total_seconds() < 10:
        again = f"look again in a few seconds; `sluice why {case.name}` says what it waits for"
        return f"nothing of {case.name} has arrived yet: spans come when a step has ended; {again}"
    since = f", and traces go back to {_clock(case.kept_since)}" if case.kept_since else ""
    return f"nothing is kept of {case.name}: it was handed in at {_clock(case.created_at)}{since}"


def circumstances(args: argparse.Namespace, wanted: Asked, kept: KeptTraces | None) -> Circumstances:
    """Asks the platform, where one runs."""
    aim, running = target.running_here(args)
    said = said_by(running.port) if running else {}
    observing: dict[str, Any] | None = said.get("observing")
    document_id, created_at = _known(aim, wanted) if running else (None, None)
    trace_id = document_id or (wanted.value if wanted.kind == "id" else None)
    since_ns = kept.since_ns() if kept else None
    return Circumstances(
        name=shorten(clean(wanted.value if wanted.kind == "url" else wanted.uuid), 120),
        data_dir=aim.data_dir,
        kept_since=None if since_ns is None else datetime.fromtimestamp(since_ns / 1e9, UTC),
        running=running is not None,
        observing=observing is not None if running else None,
        created_at=created_at,
        sampled=trace_id is None or Sampler((observing or {}).get("ratio", 1.0)).keeps(trace_id),
        now=datetime.now(UTC),
    )


def _known(aim: target.Target, wanted: Asked) -> tuple[str | None, datetime | None]:
    """The document's id, if it is one, and since when the platform knows it. `sluice emulate` knows of none."""
    try:
        return _told(aim.api(), wanted)
    except CommandFailed:
        return None, None


def _told(api: Api, wanted: Asked) -> tuple[str | None, datetime | None]:
    if wanted.kind == "url":
        found = api.get(DOCUMENTS, {"url": wanted.value, "limit": 1})["documents"]
        return (found[0]["document_id"].replace("-", ""), _moment(found[0])) if found else (None, None)
    for path, is_document in ((f"{DOCUMENTS}/{wanted.uuid}", True), (f"{JOBS}/{wanted.uuid}", False)):
        try:
            return (wanted.value if is_document else None), _moment(api.get(path))
        except ApiError as error:
            if error.status != 404:
                raise
    return None, None


def _moment(body: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(body["created_at"])


def _clock(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}Z" if when else "nobody knows when"
