"""The transition table, case by case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.jobs import StageName
from shared.contracts.stages import FailedStage, FailureKind
from shared.pipeline.advance import advance
from shared.pipeline.decision import Decision, Effect, Ignored, Move
from shared.pipeline.facts import (
    Cancelled,
    Chunked,
    Claimed,
    DocumentFact,
    DocumentView,
    Embedded,
    Failed,
    LeaseExpired,
    Nudged,
    Recipe,
    Released,
    Replayed,
    Reported,
    Scraped,
    Version,
)
from shared.pipeline.policy import Policy
from shared.pipeline.states import UNFINISHED, State, job_status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)
RECIPE = Recipe("chunker-1", 250, 50, "a-model")
SHA, OTHER = "a" * 64, "b" * 64
PENDING = DocumentView(State.PENDING, 7, NOW, RECIPE)
SCRAPING = replace(PENDING, state=State.SCRAPING, lease_until=LATER)
CHUNKING = replace(PENDING, state=State.CHUNKING, text_sha256=SHA)
WAITING = replace(CHUNKING, state=State.EMBEDDING, has_chunks=True)
EMBEDDING = replace(WAITING, lease_until=LATER)
STANDING = {State.SCRAPING: SCRAPING, State.CHUNKING: CHUNKING, State.EMBEDDING: EMBEDDING}


def moved(decision: Decision) -> Move:
    assert isinstance(decision, Move), decision
    return decision


def failed(stage: FailedStage, kind: FailureKind = "transient", retry_after_s: float | None = None) -> Failed:
    return Failed(7, stage, kind, "a_code", "a sentence", retry_after_s)


def test_a_claim_leases_under_a_new_token() -> None:
    move = moved(advance(PENDING, Claimed(LATER), NOW))
    assert (move.state, move.token, move.lease_until) == (State.SCRAPING, 8, LATER)
    move = moved(advance(WAITING, Claimed(LATER), NOW))
    assert (move.state, move.token, move.lease_until) == (State.EMBEDDING, 8, LATER)


@pytest.mark.parametrize("document", [SCRAPING, CHUNKING, EMBEDDING, replace(PENDING, not_before=LATER)])
def test_what_is_not_ready_cannot_be_claimed(document: DocumentView) -> None:
    assert isinstance(advance(document, Claimed(LATER), NOW), Ignored)


def test_a_text_asks_for_chunks_with_a_fresh_budget() -> None:
    move = moved(advance(replace(SCRAPING, attempt=3, deaths=2), Scraped(7, SHA), NOW))
    assert (move.state, move.token, move.attempt, move.deaths) == (State.CHUNKING, 8, 0, 0)
    assert move.effects == (Effect.REQUEST_CHUNKS,)
    assert move.not_before == NOW + timedelta(seconds=30)


@pytest.mark.parametrize("sha256", [SHA, None])
def test_what_search_sees_already_is_unchanged(sha256: str | None) -> None:
    shown = replace(SCRAPING, indexed=Version(SHA, RECIPE))
    move = moved(advance(shown, Scraped(7, sha256), NOW))
    assert (move.state, move.effects) == (State.UNCHANGED, (Effect.REFRESH_PAGE, Effect.ANNOUNCE))


@pytest.mark.parametrize(
    ("code", "effects"),
    [("page_noindex", (Effect.WITHDRAW_PAGE,)), ("page_noarchive", (Effect.WITHDRAW_PAGE,)), ("robots_disallowed", ())],
)
def test_a_page_goes_when_it_asks_so_itself(code: str, effects: tuple[Effect, ...]) -> None:
    move = moved(advance(SCRAPING, Failed(7, "scraping", "permanent", code, "it asks so"), NOW))
    assert (move.state, move.effects) == (State.FAILED, effects)


@pytest.mark.parametrize(
    "indexed",
    [
        None,
        Version(OTHER, RECIPE),
        *(
            Version(SHA, recipe)
            for recipe in (
                replace(RECIPE, chunker="chunker-2"),
                replace(RECIPE, max_tokens=100),
                replace(RECIPE, overlap_tokens=0),
                replace(RECIPE, model="another-model"),
            )
        ),
    ],
)
def test_another_text_or_recipe_is_indexed_anew(indexed: Version | None) -> None:
    assert moved(advance(replace(SCRAPING, indexed=indexed), Scraped(7, SHA), NOW)).state is State.CHUNKING


def test_not_modified_without_a_version_is_a_failed_try() -> None:
    move = moved(advance(SCRAPING, Scraped(7, None), NOW))
    assert move.failure is not None
    assert (move.state, move.attempt, move.failure.code) == (State.PENDING, 1, "unexpected_not_modified")


def test_chunks_wait_for_the_embedder_or_turn_out_to_be_known() -> None:
    move = moved(advance(CHUNKING, Chunked(7, "chunker-1"), NOW))
    assert (move.state, move.lease_until, move.effects) == (State.EMBEDDING, None, (Effect.WAKE_EMBED,))
    known = replace(CHUNKING, recipe=replace(RECIPE, chunker=None), indexed=Version(SHA, RECIPE))
    assert moved(advance(known, Chunked(7, "chunker-1"), NOW)).state is State.UNCHANGED
    assert moved(advance(known, Chunked(7, "chunker-2"), NOW)).state is State.EMBEDDING


def test_embedded_is_indexed() -> None:
    move = moved(advance(EMBEDDING, Embedded(7), NOW))
    assert (move.state, move.effects) == (State.INDEXED, (Effect.ANNOUNCE,))


@pytest.mark.parametrize(
    ("stage", "back"),
    [("scraping", State.PENDING), ("chunking", State.CHUNKING), ("embedding", State.EMBEDDING)],
)
def test_a_transient_failure_waits_for_its_stage_again(stage: FailedStage, back: State) -> None:
    move = moved(advance(STANDING[State(stage)], failed(stage), NOW, jitter=0.5))
    assert (move.state, move.token, move.attempt, move.lease_until) == (back, 8, 1, None)
    assert move.not_before == NOW + timedelta(seconds=1)
    assert move.failure is not None


def test_waits_grow_are_capped_and_honour_retry_after() -> None:
    policy = Policy(max_attempts=100)
    waits = [
        (moved(advance(replace(SCRAPING, attempt=n), failed("scraping"), NOW, policy, 0.999)).not_before - NOW)
        for n in range(12)
    ]
    assert waits == sorted(waits)
    assert timedelta(seconds=299) < waits[-1] < timedelta(seconds=300)
    asked = moved(advance(SCRAPING, failed("scraping", retry_after_s=900), NOW, policy))
    assert asked.not_before == asked.hold_domain_until == NOW + timedelta(seconds=900)
    forever = moved(advance(SCRAPING, failed("scraping", retry_after_s=1e9), NOW, policy))
    assert forever.not_before == NOW + timedelta(hours=1)
    assert moved(advance(EMBEDDING, failed("embedding", retry_after_s=9), NOW)).hold_domain_until is None


def test_the_last_try_and_a_permanent_failure_end() -> None:
    last = moved(advance(replace(SCRAPING, attempt=3), failed("scraping"), NOW))
    assert (last.state, last.attempt, last.token) == (State.FAILED, 4, 8)
    assert moved(advance(SCRAPING, failed("scraping", "permanent"), NOW)).state is State.FAILED


def test_an_interruption_is_free() -> None:
    move = moved(advance(replace(EMBEDDING, attempt=3), failed("embedding", "interrupted"), NOW))
    assert (move.state, move.attempt, move.not_before) == (State.EMBEDDING, 3, NOW)


def test_an_expired_lease_is_a_death_and_the_third_is_the_last() -> None:
    assert isinstance(advance(SCRAPING, LeaseExpired(), LATER - timedelta(seconds=1)), Ignored)
    move = moved(advance(replace(SCRAPING, attempt=2), LeaseExpired(), LATER))
    assert (move.state, move.token, move.attempt, move.deaths) == (State.PENDING, 8, 2, 1)
    end = moved(advance(replace(EMBEDDING, deaths=2), LeaseExpired(), LATER))
    assert end.failure is not None
    assert (end.state, end.failure.code, end.failure.stage) == (State.FAILED, "worker_died", "embedding")


def test_a_lease_that_ran_out_while_nobody_looked_is_nobodys_death() -> None:
    """The platform was away, or its clock was set forward: that says nothing of the worker."""
    move = moved(advance(replace(EMBEDDING, deaths=2), LeaseExpired(), LATER + timedelta(hours=3)))
    assert (move.state, move.token, move.deaths, move.lease_until) == (State.EMBEDDING, 8, 2, None)
    assert move.failure is not None
    assert (move.failure.kind, move.failure.code) == ("interrupted", "lease_expired")


def test_a_lost_result_is_no_death_but_must_not_go_on_for_ever() -> None:
    sent = moved(advance(SCRAPING, Reported(7), NOW))
    assert (sent.state, sent.token, sent.reported) == (State.SCRAPING, 7, True)
    assert sent.lease_until == NOW + timedelta(seconds=120), "two leases: a busy platform may take long to hear it"
    later = moved(advance(replace(SCRAPING, nudges=1), Reported(7), NOW))
    assert later.lease_until == NOW + timedelta(seconds=240)
    assert isinstance(advance(SCRAPING, Reported(6), NOW), Ignored)
    for lost in range(1, 13):
        move = moved(advance(replace(SCRAPING, reported=True, nudges=lost - 1), LeaseExpired(), LATER))
        assert move.failure is not None
        assert (move.state, move.deaths, move.nudges, move.failure.code) == (State.PENDING, 0, lost, "result_lost")
        assert not move.reported
    end = moved(advance(replace(SCRAPING, reported=True, nudges=12), LeaseExpired(), LATER))
    assert end.failure is not None
    assert (end.state, end.failure.code, end.failure.kind) == (State.FAILED, "result_lost", "transient")


def test_giving_back_is_free_and_may_wait() -> None:
    move = moved(advance(SCRAPING, Released(7), NOW))
    assert (move.state, move.token, move.attempt, move.deaths) == (State.PENDING, 8, 0, 0)
    assert moved(advance(SCRAPING, Released(7, LATER), NOW)).not_before == LATER
    assert isinstance(advance(SCRAPING, Released(6), NOW), Ignored)


def test_nudges_grow_rarer_and_end() -> None:
    document, now = replace(CHUNKING, not_before=NOW), NOW
    waits = []
    for _ in range(12):
        assert isinstance(advance(document, Nudged(), document.not_before - timedelta(seconds=1)), Ignored)
        now = document.not_before
        move = moved(advance(document, Nudged(), now))
        assert (move.token, move.effects) == (7, (Effect.REQUEST_CHUNKS,))
        waits.append(move.not_before - now)
        document = replace(document, nudges=move.nudges, not_before=move.not_before)
    assert waits == sorted(waits)
    end = moved(advance(document, Nudged(), document.not_before))
    assert end.failure is not None
    assert (end.state, end.failure.code) == (State.FAILED, "stage_unresponsive")


@pytest.mark.parametrize(
    ("text", "chunks", "error_stage", "asked", "state"),
    [
        (True, True, "embedding", None, State.EMBEDDING),
        (True, True, "embedding", "scrape", State.PENDING),
        (True, False, "chunking", "embed", State.CHUNKING),
        (False, False, "scraping", "embed", State.PENDING),
        (False, False, "chunking", None, State.PENDING),
        (False, False, None, None, State.PENDING),
    ],
)
def test_a_replay_starts_where_it_can(
    text: bool, chunks: bool, error_stage: FailedStage | None, asked: StageName | None, state: State
) -> None:
    document = replace(PENDING, state=State.FAILED, attempt=4, deaths=3, error_stage=error_stage, has_chunks=chunks)
    document = replace(document, text_sha256=SHA if text else None)
    move = moved(advance(document, Replayed(asked), NOW))
    assert (move.state, move.token, move.attempt, move.deaths) == (state, 8, 0, 0)


RESULTS: list[DocumentFact] = [Scraped(7, SHA), Chunked(7, "c"), Embedded(7), failed("scraping"), failed("chunking")]


@pytest.mark.parametrize("state", sorted(set(State) - UNFINISHED))
@pytest.mark.parametrize("fact", [*RESULTS, Claimed(LATER), Released(7), LeaseExpired(), Nudged(), Cancelled()])
def test_nothing_but_a_replay_moves_what_has_ended(state: State, fact: DocumentFact) -> None:
    assert isinstance(advance(replace(PENDING, state=state), fact, LATER), Ignored)


@pytest.mark.parametrize("document", [PENDING, SCRAPING, CHUNKING, WAITING, EMBEDDING])
def test_an_old_token_or_another_stages_result_changes_nothing(document: DocumentView) -> None:
    expected = {State.SCRAPING: (0, 3), State.CHUNKING: (1, 4), State.EMBEDDING: (2,)}
    for index, fact in enumerate(RESULTS):
        taken = not isinstance(advance(document, fact, NOW), Ignored)
        assert taken == (document is not PENDING and document is not WAITING and index in expected[document.state])
        assert isinstance(advance(replace(document, token=8), fact, NOW), Ignored)


@pytest.mark.parametrize(
    ("counts", "cancel", "status"),
    [
        ({State.INDEXED: 1, State.UNCHANGED: 1}, False, "completed"),
        ({State.INDEXED: 1, State.FAILED: 1}, False, "completed_with_errors"),
        ({State.UNCHANGED: 1, State.CANCELLED: 1}, False, "completed_with_errors"),
        ({State.FAILED: 2}, False, "failed"),
        ({State.INDEXED: 1, State.CANCELLED: 1}, True, "cancelled"),
    ],
)
def test_a_job_ends_as_its_documents_did(counts: dict[State, int], cancel: bool, status: str) -> None:
    assert job_status(counts, cancel_requested=cancel) == status
