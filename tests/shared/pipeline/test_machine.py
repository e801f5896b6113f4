"""Any order of events, any loss, any repetition: a document never goes astray."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.pipeline.advance import advance
from shared.pipeline.decision import Decision, Effect, Move
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
    Recipe,
    Released,
    Replayed,
    Reported,
    Result,
    Scraped,
    Version,
)
from shared.pipeline.policy import Policy
from shared.pipeline.states import UNFINISHED, State

START = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(max_nudges=4)
LEASE = timedelta(seconds=60)
KINDS = st.sampled_from(["transient", "permanent", "interrupted"])
FINAL = frozenset(State) - UNFINISHED


class OneDocument(RuleBasedStateMachine):
    """`mail` holds every result that a worker ever sent. Each may arrive at any time, often, or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.document = DocumentView(State.PENDING, 0, START, Recipe(None, 250, 50, "m"))
        self.mail: list[Result] = []
        self.live: list[int] = []

    def take(self, fact: DocumentFact, jitter: float = 0.5) -> Decision:
        before = self.document
        decision = advance(before, fact, self.now, POLICY, jitter)
        if isinstance(decision, Move):
            self.check(before, fact, decision)
            self.document = self.moved(before, fact, decision)
        return decision

    def moved(self, before: DocumentView, fact: DocumentFact, move: Move) -> DocumentView:
        after = replace(
            before,
            state=move.state,
            token=move.token,
            attempt=move.attempt,
            deaths=move.deaths,
            nudges=move.nudges,
            not_before=move.not_before,
            lease_until=move.lease_until,
            reported=move.reported,
            error_stage=move.failure.stage if move.failure else before.error_stage,
        )
        match fact:
            case Scraped(text_sha256=str() as sha256):
                return replace(after, text_sha256=sha256, has_chunks=False)
            case Chunked(chunker=chunker):
                return replace(after, has_chunks=True, recipe=replace(before.recipe, chunker=chunker))
            case Embedded() if before.text_sha256:
                return replace(after, indexed=Version(before.text_sha256, before.recipe))
            case Distrusted():
                return replace(after, text_sha256=None, has_chunks=False, indexed=None)
            case _:
                return after

    def check(self, before: DocumentView, fact: DocumentFact, move: Move) -> None:
        assert move.token >= before.token
        assert before.state in UNFINISHED or isinstance(fact, Replayed | Distrusted)
        assert move.attempt <= POLICY.max_attempts
        assert move.deaths <= POLICY.max_deaths
        assert move.nudges <= POLICY.max_nudges
        assert (move.failure is not None) or move.state is not State.FAILED
        if isinstance(fact, Scraped | Chunked | Embedded | Failed):
            assert fact.token == before.token

    @rule(seconds=st.sampled_from([0, 1, 30, 60, 700]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def a_worker_claims(self) -> None:
        self.take(Claimed(self.now + LEASE))

    @rule(sha256=st.sampled_from([None, "a", "b"]), chunker=st.sampled_from(["c1", "c2"]))
    def the_worker_sends_its_result(self, sha256: str | None, chunker: str) -> None:
        results: dict[State, Result] = {
            State.SCRAPING: Scraped(self.document.token, sha256),
            State.CHUNKING: Chunked(self.document.token, chunker),
            State.EMBEDDING: Embedded(self.document.token),
        }
        if result := results.get(self.document.state):
            self.mail.append(result)

    @rule(kind=KINDS, retry_after_s=st.none() | st.floats(0, 1e5))
    def the_worker_sends_a_failure(self, kind: str, retry_after_s: float | None) -> None:
        document = self.document
        if document.state in (State.SCRAPING, State.CHUNKING, State.EMBEDDING):
            stage = document.state.value
            self.mail.append(Failed(document.token, stage, kind, "c", "m", retry_after_s))  # type: ignore[arg-type]

    @precondition(lambda self: self.mail)
    @rule(data=st.data())
    def something_arrives(self, data: st.DataObject) -> None:
        result = data.draw(st.sampled_from(self.mail))
        self.take(result)
        assert not isinstance(self.take(result), Move), "the same result had an effect twice"

    @rule()
    def the_worker_says_that_it_sent_its_result(self) -> None:
        self.take(Reported(self.document.token))

    @rule(seconds=st.integers(0, 100))
    def the_worker_gives_back(self, seconds: int) -> None:
        self.take(Released(self.document.token, self.now + timedelta(seconds=seconds)))

    @rule()
    def a_sweeper_looks(self) -> None:
        self.take(LeaseExpired())
        self.take(Nudged())

    @rule()
    def the_caller_cancels(self) -> None:
        self.take(Cancelled())
        assert self.document.state in FINAL

    @rule(stage=st.sampled_from([None, "scrape", "chunk", "embed"]))
    def the_caller_replays(self, stage: str | None) -> None:
        failed = self.document.state is State.FAILED
        assert isinstance(self.take(Replayed(stage)), Move) == failed  # type: ignore[arg-type]

    @rule()
    def an_operator_distrusts_what_is_stored(self) -> None:
        cancelled = self.document.state is State.CANCELLED
        assert isinstance(self.take(Distrusted()), Move) != cancelled

    @invariant()
    def a_lease_means_that_a_worker_has_it(self) -> None:
        assert self.document.lease_until is None or self.document.state in (State.SCRAPING, State.EMBEDDING)
        assert not self.document.reported or self.document.lease_until is not None
        assert (self.document.state is State.SCRAPING) <= (self.document.lease_until is not None)

    def teardown(self) -> None:
        """Workers that only die, a chunk function that never answers: sweeps alone bring it to an end."""
        for _ in range(40):
            self.now += timedelta(seconds=400)
            self.take(LeaseExpired())
            self.take(Nudged())
            self.take(Claimed(self.now + LEASE))
        assert self.document.state in FINAL


OneDocument.TestCase.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
TestOneDocument = OneDocument.TestCase


def test_requests_for_chunks_go_with_the_chunking_state_only() -> None:
    asked = {state for state in State for fact in _facts() if Effect.REQUEST_CHUNKS in _effects(state, fact)}
    assert asked == {State.SCRAPING, State.CHUNKING}


def _facts() -> list[DocumentFact]:
    return [
        Scraped(1, "a"),
        Chunked(1, "c"),
        Embedded(1),
        LeaseExpired(),
        Reported(1),
        Nudged(),
        Cancelled(),
        Replayed(),
    ]


def _effects(state: State, fact: DocumentFact) -> tuple[Effect, ...]:
    lease = START + LEASE if state in (State.SCRAPING, State.EMBEDDING) else None
    document = DocumentView(state, 1, START, Recipe(None, 250, 50, "m"), lease_until=lease, text_sha256="a")
    decision = advance(document, fact, START)
    return decision.effects if isinstance(decision, Move) else ()
