"""The transition table of a document: a fact and the present state in, a decision out."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from shared.contracts.stages import FailedStage
from shared.pipeline.decision import Decision, Effect, Failure, Ignored, Move
from shared.pipeline.facts import (
    Cancelled,
    Chunked,
    Claimed,
    Distrusted,
    DocumentFact,
    DocumentView,
    Embedded,
    Failed,
    LeaseExpired,
    Nudged,
    Released,
    Replayed,
    Reported,
    Result,
    Scraped,
    Version,
)
from shared.pipeline.policy import PATIENT, Policy
from shared.pipeline.states import IN_HAND, UNFINISHED, WAITS_IN, State

STALE: Final = Ignored("stale")
_STAGE_OF: Final[dict[State, FailedStage]] = {state: stage for stage, state in IN_HAND.items()}
# Codes by which a page says itself that it must not be found. A robots.txt only says what may be fetched.
_WITHDRAWN: Final = frozenset({"page_noindex", "page_noarchive"})
_REPLAY_STAGE: Final[dict[str, FailedStage]] = {"scrape": "scraping", "chunk": "chunking", "embed": "embedding"}


def advance(
    document: DocumentView, fact: DocumentFact, now: datetime, policy: Policy = PATIENT, jitter: float = 0.0
) -> Decision:
    """`jitter` in [0, 1) spreads retries. Total: every fact has an answer in every state."""
    match fact:
        case Claimed():
            return _claim(document, fact, now)
        case Released():
            return _give_back(document, fact, now)
        case Reported():
            return _report(document, fact, now, policy)
        case Scraped() | Chunked() | Embedded() | Failed():
            return _result(document, fact, now, policy, jitter)
        case LeaseExpired():
            return _expire(document, now, policy)
        case Nudged():
            return _nudge(document, now, policy)
        case Cancelled():
            return _cancel(document, now)
        case Replayed():
            return _replay(document, fact, now)
        case Distrusted():
            return _start_over(document, now)
        case _:
            assert_never(fact)


def _claim(document: DocumentView, fact: Claimed, now: datetime) -> Decision:
    ready = document.state is State.PENDING or (document.state is State.EMBEDDING and document.lease_until is None)
    if not ready or document.not_before > now:
        return Ignored("not_ready")
    state = State.SCRAPING if document.state is State.PENDING else State.EMBEDDING
    return replace(_stay(document, state), token=document.token + 1, lease_until=fact.lease_until)


def _give_back(document: DocumentView, fact: Released, now: datetime) -> Decision:
    if document.lease_until is None or fact.token != document.token:
        return STALE
    return _again(document, max(now, fact.not_before or now))


def _report(document: DocumentView, fact: Reported, now: datetime, policy: Policy) -> Decision:
    """The result may be long on its way through a busy platform: longer each time that one seemed lost."""
    if document.lease_until is None or fact.token != document.token:
        return STALE
    until = now + timedelta(seconds=policy.result_wait_s(document.nudges))
    return replace(_stay(document, document.state), lease_until=until, reported=True)


def _result(document: DocumentView, fact: Result, now: datetime, policy: Policy, jitter: float) -> Decision:
    if fact.token != document.token or not _in_hand(document):
        return STALE
    match fact:
        case Scraped():
            return _scraped(document, fact, now, policy, jitter)
        case Chunked():
            return _chunked(document, fact, now)
        case Embedded():
            return _embedded(document, now)
        case Failed():
            return _failed(document, fact, now, policy, jitter)
        case _:
            assert_never(fact)


def _scraped(document: DocumentView, fact: Scraped, now: datetime, policy: Policy, jitter: float) -> Decision:
    if document.state is not State.SCRAPING:
        return STALE
    shown = document.indexed if document.indexed and document.indexed.recipe == document.recipe else None
    if fact.text_sha256 is None and shown is None:
        lie = "the server answered 304 Not Modified to a request that was not conditional"
        return _failed(
            document,
            Failed(fact.token, "scraping", "transient", "unexpected_not_modified", lie),
            now,
            policy,
            jitter,
        )
    if shown and fact.text_sha256 in (None, shown.text_sha256):
        return _unchanged(document, now)
    return Move(
        State.CHUNKING,
        document.token + 1,
        attempt=0,
        deaths=0,
        nudges=0,
        not_before=now + timedelta(seconds=policy.nudge_wait_s(0)),
        effects=(Effect.REQUEST_CHUNKS,),
    )


def _chunked(document: DocumentView, fact: Chunked, now: datetime) -> Decision:
    if document.state is not State.CHUNKING or document.text_sha256 is None:
        return STALE
    if document.indexed == Version(document.text_sha256, replace(document.recipe, chunker=fact.chunker)):
        return _unchanged(document, now)
    return Move(
        State.EMBEDDING,
        document.token,
        attempt=0,
        deaths=0,
        nudges=0,
        not_before=now,
        effects=(Effect.WAKE_EMBED,),
    )


def _embedded(document: DocumentView, now: datetime) -> Decision:
    if document.state is not State.EMBEDDING:
        return STALE
    return replace(_end(document, State.INDEXED, now), effects=(Effect.ANNOUNCE,))


def _failed(document: DocumentView, fact: Failed, now: datetime, policy: Policy, jitter: float) -> Decision:
    if IN_HAND[fact.stage] is not document.state:
        return STALE
    failure = Failure(fact.stage, fact.kind, fact.code, fact.message)
    if fact.kind == "interrupted":
        return replace(_again(document, now), failure=failure)
    attempt = document.attempt + 1
    asked_s = min(fact.retry_after_s or 0.0, policy.retry_after_cap_s)
    until = now + timedelta(seconds=asked_s) if asked_s and fact.stage == "scraping" else None
    if fact.kind == "permanent" or attempt >= policy.max_attempts:
        effects = (Effect.WITHDRAW_PAGE,) if fact.code in _WITHDRAWN else ()
        move = replace(_end(document, State.FAILED, now), token=document.token + 1, effects=effects)
    else:
        move = _again(document, now + timedelta(seconds=max(asked_s, policy.retry_wait_s(attempt, jitter))))
    return replace(move, attempt=attempt, failure=failure, hold_domain_until=until)


def _expire(document: DocumentView, now: datetime, policy: Policy) -> Decision:
    if document.lease_until is None or document.lease_until > now:
        return Ignored("lease_held")
    if document.reported:
        return _lose_result(document, now, policy)
    stage = _STAGE_OF[document.state]
    if now - document.lease_until > timedelta(seconds=policy.unwatched_s):
        failure = Failure(stage, "interrupted", "lease_expired", "nobody was there to see whether the worker lived")
        return replace(_again(document, now), failure=failure)
    deaths = document.deaths + 1
    if deaths >= policy.max_deaths:
        message = f"{deaths} workers died while this document was in their hands"
        end = replace(_end(document, State.FAILED, now), token=document.token + 1, deaths=deaths)
        return replace(end, failure=Failure(stage, "interrupted", "worker_died", message))
    failure = Failure(stage, "interrupted", "lease_expired", "the worker stopped without a word")
    return replace(_again(document, now), deaths=deaths, failure=failure)


def _lose_result(document: DocumentView, now: datetime, policy: Policy) -> Decision:
    """No worker died, so none is charged; but a result that never arrives must not be made for ever."""
    stage, nudges = _STAGE_OF[document.state], document.nudges + 1
    if nudges > policy.max_nudges:
        message = f"{nudges} results of this document were sent, and none arrived"
        end = replace(_end(document, State.FAILED, now), token=document.token + 1)
        return replace(end, failure=Failure(stage, "transient", "result_lost", message))
    failure = Failure(stage, "interrupted", "result_lost", "the worker's result did not arrive")
    return replace(_again(document, now), nudges=nudges, failure=failure)


def _nudge(document: DocumentView, now: datetime, policy: Policy) -> Decision:
    if document.state is not State.CHUNKING or document.not_before > now:
        return Ignored("not_due")
    nudges = document.nudges + 1
    if nudges > policy.max_nudges:
        message = f"the chunk stage gave no answer to {policy.max_nudges} requests"
        end = replace(_end(document, State.FAILED, now), token=document.token + 1)
        return replace(end, failure=Failure("chunking", "transient", "stage_unresponsive", message))
    not_before = now + timedelta(seconds=policy.nudge_wait_s(nudges))
    stay = _stay(document, State.CHUNKING)
    return replace(stay, nudges=nudges, not_before=not_before, effects=(Effect.REQUEST_CHUNKS,))


def _cancel(document: DocumentView, now: datetime) -> Decision:
    if document.state not in UNFINISHED:
        return Ignored("ended")
    return replace(_end(document, State.CANCELLED, now), token=document.token + 1)


def _replay(document: DocumentView, fact: Replayed, now: datetime) -> Decision:
    if document.state is not State.FAILED:
        return Ignored("not_failed")
    stage = _REPLAY_STAGE[fact.from_stage] if fact.from_stage else document.error_stage or "scraping"
    if stage == "embedding" and not document.has_chunks:
        stage = "chunking"
    if stage == "chunking" and document.text_sha256 is None:
        stage = "scraping"
    return Move(WAITS_IN[stage], document.token + 1, attempt=0, deaths=0, nudges=0, not_before=now)


def _start_over(document: DocumentView, now: datetime) -> Decision:
    if document.state is State.CANCELLED:
        return Ignored("cancelled")
    failure = Failure(
        "scraping", "interrupted", "content_lost", "what was stored of this page was lost; it is made again"
    )
    start = Move(State.PENDING, document.token + 1, attempt=0, deaths=0, nudges=0, not_before=now)
    return replace(start, failure=failure, effects=(Effect.DISTRUST_PAGE,))


def _in_hand(document: DocumentView) -> bool:
    return document.state is State.CHUNKING or document.lease_until is not None


def _unchanged(document: DocumentView, now: datetime) -> Move:
    return replace(_end(document, State.UNCHANGED, now), effects=(Effect.REFRESH_PAGE, Effect.ANNOUNCE))


def _again(document: DocumentView, not_before: datetime) -> Move:
    """Back to where it waits for this stage. A new token fences out whoever had it."""
    state = WAITS_IN[_STAGE_OF[document.state]]
    return replace(_stay(document, state), token=document.token + 1, nudges=0, not_before=not_before)


def _end(document: DocumentView, state: State, now: datetime) -> Move:
    return replace(_stay(document, state), not_before=now)


def _stay(document: DocumentView, state: State) -> Move:
    return Move(
        state,
        document.token,
        attempt=document.attempt,
        deaths=document.deaths,
        nudges=document.nudges,
        not_before=document.not_before,
    )
