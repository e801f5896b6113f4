"""One paragraph on where a document is, what it waits for, and what comes next: facts in, sentences out. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from gateway.wording import clock, count, moment, span, times
from shared.pipeline.states import State
from shared.store.reads import FailureRow
from shared.store.whereabouts import COUNTED_UP_TO, Whereabouts

_PACES: Final = {
    "domain": "gets one request each {pace}",
    "crawl_delay": "asks in its robots.txt for {pace} between requests",
    "domain_slowed": "has answered 429 or 503, and gets one request each {pace} until it recovers",
}
_GONE: Final = "Search does not see it any more: its page has since asked not to be found."
_VERBS: Final = {"scraping": "fetched", "chunking": "split into chunks", "embedding": "embedded"}
_DONE: Final = {"scraping": "fetch", "chunking": "split", "embedding": "embed"}


@dataclass(frozen=True, slots=True)
class Facts:
    """`failures` are all failed tries, oldest first; `eta_s` when its job may be done, at the rate it goes."""

    document: Whereabouts
    failures: Sequence[FailureRow]
    eta_s: float | None
    now: datetime


def explain(facts: Facts) -> str:
    return " ".join(_sentences(facts))


def _sentences(facts: Facts) -> Iterator[str]:
    document = facts.document
    state = State(document.state)
    match state:
        case State.PENDING:
            yield from _pending(facts)
        case State.SCRAPING:
            yield from _in_hand(facts, "scraping")
        case State.CHUNKING:
            yield from _chunking(facts)
        case State.EMBEDDING:
            yield from _embedding(facts)
        case State.INDEXED:
            yield from _indexed(facts)
        case State.UNCHANGED:
            yield from _unchanged(facts)
        case State.FAILED:
            yield from _failed(facts)
        case State.CANCELLED:
            yield from _cancelled(facts)
        case _:
            assert_never(state)


def _pending(facts: Facts) -> Iterator[str]:
    document = facts.document
    what = "It is a sitemap, and waits to be read" if document.is_sitemap else "It waits to be fetched"
    yield f"{what}, since {moment(document.updated_at, facts.now)}."
    yield from _calling_off(facts)
    yield from _suspicion(facts)
    wait = document.wait(facts.now)
    if wait is not None and wait.reason == "backoff":
        yield from _backoff(facts)
        return
    yield from _last_failure(facts)
    if wait is not None and wait.reason in _PACES:
        pace = _PACES[wait.reason].format(pace=span(document.pace_s))
        yield f"{document.domain} {pace}: its next turn is {moment(wait.until or facts.now, facts.now)}."
        yield from _ahead_in_domain(facts)
        return
    yield from _ahead_in_domain(facts)
    if not document.ahead:
        yield "Nothing holds it back: the next free scrape worker takes it."
    yield from _eta(facts)


def _in_hand(facts: Facts, stage: str) -> Iterator[str]:
    """A worker holds it; or did."""
    document = facts.document
    assert document.lease_until is not None
    since = moment(document.updated_at, facts.now)
    if document.lease_until <= facts.now:
        ended = moment(document.lease_until, facts.now)
        yield f"A worker took it to be {_VERBS[stage]}, and its lease ran out {ended}."
        yield "The next sweep puts it back, and that costs it no try."
    elif document.reported:
        yield f"It is {_VERBS[stage]}, and the worker has sent its result, which is still on its way."
        yield f"Should that be lost, it is done again after {moment(document.lease_until, facts.now)}."
    else:
        yield f"A worker has it in its hands to be {_VERBS[stage]}, since {since}."
        yield f"Its lease, renewed while it works, lasts until {clock(document.lease_until)}."
    yield from _calling_off(facts)
    yield from _last_failure(facts)


def _chunking(facts: Facts) -> Iterator[str]:
    document = facts.document
    asked = moment(document.updated_at, facts.now)
    yield f"Its text is stored, and the chunk function was asked to split it {asked}."
    if document.nudges:
        yield f"{times(document.nudges)} no answer came, and it was asked again."
    if document.not_before > facts.now:
        yield f"Without an answer it is asked again {moment(document.not_before, facts.now)}."
    else:
        yield "It is asked again with the next sweep."
    yield from _calling_off(facts)
    yield from _last_failure(facts)


def _embedding(facts: Facts) -> Iterator[str]:
    document = facts.document
    if document.lease_until is not None:
        yield from _in_hand(facts, "embedding")
        return
    held = f", with {count(document.chunks, 'chunk')} of {count(document.tokens, 'token')}" if document.chunks else ""
    yield f"It waits to be embedded{held}, since {moment(document.updated_at, facts.now)}."
    yield from _calling_off(facts)
    yield from _suspicion(facts)
    if document.not_before > facts.now:
        yield from _backoff(facts)
        return
    yield from _last_failure(facts)
    if document.ahead:
        yield f"{_ahead(facts)} of yours come before it."
    else:
        yield "Nothing holds it back: the next free embed worker takes it."
    yield from _eta(facts)


def _indexed(facts: Facts) -> Iterator[str]:
    document = facts.document
    held = f": {count(document.chunks, 'chunk')} of {count(document.tokens, 'token')}" if document.chunks else ""
    yield f"It is indexed in corpus {document.corpus}, since {_ended(facts)}{held}."
    yield from _shown(facts)
    yield from _tries_before(facts)


def _unchanged(facts: Facts) -> Iterator[str]:
    document = facts.document
    yield f"It was fetched {_ended(facts)}, and nothing had changed since it was indexed in corpus {document.corpus}."
    if document.shown_document_id is None:
        yield _GONE
    yield from _tries_before(facts)


def _failed(facts: Facts) -> Iterator[str]:
    document = facts.document
    stage = document.error_stage or "scraping"
    code = document.error_code or "unknown"
    said = _said(document.error_message, code)
    yield f"It failed for good {_ended(facts)}, when it was to be {_VERBS[stage]}: {said}"
    if document.error_kind == "permanent":
        yield "As it is, another try would end the same way, so none was made."
    elif document.error_kind == "transient":
        used = f"; {count(document.attempt, 'try', 'tries')} in a row ended so" if document.attempt > 1 else ""
        yield f"That may pass{used}."
    elif document.error_kind == "interrupted":
        yield "It is not tried again, so that it does no harm to others."
    else:
        yield "Nothing is known of why."
    yield f"Once the cause is gone: sluice jobs {document.job_id} --replay."


def _cancelled(facts: Facts) -> Iterator[str]:
    document = facts.document
    called_off = document.cancel_requested_at
    when = f", {moment(called_off, facts.now)}" if called_off else ""
    yield f"Its job was called off{when}, before it was indexed; nobody works on it any more."
    yield from _last_failure(facts)


def _backoff(facts: Facts) -> Iterator[str]:
    document = facts.document
    if document.attempt and facts.failures:
        last = facts.failures[-1]
        begin = f"{times(document.attempt)} it could not be {_VERBS[last.stage]}, the last time"
        yield f"{begin} {moment(last.failed_at, facts.now)}: {_said(last.message, last.code)}"
        yield f"The next try is {moment(document.not_before, facts.now)}."
    else:
        yield from _last_failure(facts)
        yield f"It was put back without a fault of its own, until {moment(document.not_before, facts.now)}."


def _last_failure(facts: Facts) -> Iterator[str]:
    if facts.failures:
        last = facts.failures[-1]
        begin = f"The last try to {_DONE[last.stage]} it ended {moment(last.failed_at, facts.now)}"
        yield f"{begin}: {_said(last.message, last.code)}"


def _tries_before(facts: Facts) -> Iterator[str]:
    if facts.failures:
        last = facts.failures[-1]
        tries = count(len(facts.failures), "try", "tries")
        yield f"Before that, {tries} ended without success, the last one with {last.code}."


def _suspicion(facts: Facts) -> Iterator[str]:
    if deaths := facts.document.deaths:
        yield f"{count(deaths, 'worker')} died while they had it, so it is taken alone."


def _calling_off(facts: Facts) -> Iterator[str]:
    if facts.document.cancel_requested_at is not None:
        yield f"Its job was called off {moment(facts.document.cancel_requested_at, facts.now)}, and it ends with that."


def _shown(facts: Facts) -> Iterator[str]:
    document = facts.document
    if document.shown_document_id is None:
        yield _GONE
    elif document.shown_document_id != document.id and document.shown_since and document.ended_at:
        yield f"Search sees another version of it, from {moment(document.shown_since, facts.now)}."


def _ahead_in_domain(facts: Facts) -> Iterator[str]:
    document = facts.document
    if document.ahead:
        least = f", which takes {span(document.ahead * document.pace_s)} or more" if document.pace_s else ""
        yield f"{_ahead(facts)} of yours at {document.domain} come before it{least}."


def _eta(facts: Facts) -> Iterator[str]:
    if facts.eta_s is not None:
        yield f"At the rate it goes, the whole job is done in about {span(facts.eta_s)}."


def _ended(facts: Facts) -> str:
    document = facts.document
    ended = document.ended_at or document.updated_at
    took = span((ended - document.created_at).total_seconds())
    return f"{moment(ended, facts.now)}, {took} after it was handed in"


def _said(message: str | None, code: str) -> str:
    return f"{(message or 'no sentence was kept').rstrip('.')} ({code})."


def _ahead(facts: Facts) -> str:
    number = facts.document.ahead
    return f"{COUNTED_UP_TO:,} documents or more" if number >= COUNTED_UP_TO else count(number, "document")
