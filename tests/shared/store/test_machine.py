"""The store under duplicated, lost, reordered and stale events does what the pure machine decides, and adds up."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from shared.contracts.payload import DocumentPayload
from shared.contracts.stages import FailureKind, StageFailed
from shared.events.event import CloudEvent
from shared.pipeline.advance import advance
from shared.pipeline.decision import Move
from shared.pipeline.facts import (
    Cancelled,
    Claimed,
    DocumentFact,
    DocumentView,
    LeaseExpired,
    Nudged,
    Released,
    Replayed,
    Reported,
)
from shared.pipeline.policy import Policy
from shared.pipeline.states import UNFINISHED, State
from shared.store.claims import EmbedClaim, ScrapeClaim, release, renew, report
from shared.store.store import Store
from shared.store.views import read_view, view_of
from tests.shared.store.world import LEASE_S, World

T = TypeVar("T")
POLICY = Policy(max_nudges=3)
URLS = ["https://a.org/1", "https://a.org/2", "https://b.org/1"]


class OneJob(RuleBasedStateMachine):
    """`mail` holds every report ever sent: each may arrive at any time, several times, or never."""

    runner: asyncio.Runner
    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.store, policy=POLICY)
        self.job = self.run(self.world.submit(URLS))
        self.mail: list[tuple[DocumentPayload, str]] = []
        self.hands: list[ScrapeClaim | EmbedClaim] = []
        self.tokens: dict[UUID, int] = {}
        self.ended: set[UUID] = set()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def views(self) -> dict[UUID, DocumentView]:
        async def read() -> dict[UUID, DocumentView]:
            ids = [row.id for row in await self.world.documents(self.job)]
            rows = {document_id: await read_view(self.store, document_id) for document_id in ids}
            return {document_id: view_of(row) for document_id, row in rows.items() if row}

        return self.run(read())

    def expect(self, before: dict[UUID, DocumentView], facts: dict[UUID, DocumentFact]) -> None:
        """Bulk statements decide in SQL; they must decide as `advance` does."""
        after = self.views()
        for document_id, view in before.items():
            fact = facts.get(document_id)
            move = advance(view, fact, self.world.now, POLICY) if fact else None
            if isinstance(move, Move):
                assert state_of(after[document_id]) == state_of(move), fact
            else:
                assert after[document_id] == view

    def send(self, payload: DocumentPayload) -> None:
        self.mail.append((payload, f"event {len(self.mail)} of {self.job}"))

    @rule(seconds=st.sampled_from([0.5, 5, LEASE_S, 700]))
    def time_passes(self, seconds: float) -> None:
        self.world.after(seconds)

    @rule(limit=st.integers(1, 3), suspects=st.booleans(), embed=st.booleans())
    def a_worker_claims(self, limit: int, suspects: bool, embed: bool) -> None:
        before = self.views()
        claims: list[ScrapeClaim] | list[EmbedClaim]
        if embed:
            claims = self.run(self.world.embed(limit, suspects=suspects))
        else:
            claims = self.run(self.world.scrape(limit, suspects=suspects))
        self.hands += claims
        lease_until = self.world.now + timedelta(seconds=LEASE_S)
        self.expect(before, {claim.document_id: Claimed(lease_until) for claim in claims})
        assert len(claims) <= 1 or not any(claim.deaths for claim in claims)

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), content=st.sampled_from([None, "one", "two"]))
    def a_worker_reports(self, data: st.DataObject, content: str | None) -> None:
        claim = data.draw(st.sampled_from(self.hands))
        if isinstance(claim, ScrapeClaim):
            self.send(self.world.scraped(claim, content))
        elif self.run(self.world.swap(claim)):
            self.send(self.world.embedded(claim))

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), kind=st.sampled_from(["transient", "permanent", "interrupted"]))
    def a_worker_fails(self, data: st.DataObject, kind: FailureKind) -> None:
        claim = data.draw(st.sampled_from(self.hands))
        self.send(self.world.failed(claim, kind, "scraping" if isinstance(claim, ScrapeClaim) else "embedding"))

    @precondition(lambda self: self.requests())
    @rule(data=st.data(), chunker=st.sampled_from(["c1", "c2"]), well=st.booleans())
    def the_chunk_function_answers(self, data: st.DataObject, chunker: str, well: bool) -> None:
        chunked = self.world.chunked(data.draw(st.sampled_from(self.requests())), chunker)
        failed = StageFailed(
            **chunked.model_dump(include={"job_id", "document_id", "token"}),
            stage="chunking",
            kind="transient",
            code="c",
            message="m",
        )
        self.send(chunked if well else failed)

    def requests(self) -> list[CloudEvent]:
        return [event for event in self.world.sent if event.type == "dev.sluice.chunk.requested.v1"]

    @precondition(lambda self: self.mail)
    @rule(data=st.data(), times=st.integers(1, 2))
    def something_arrives(self, data: st.DataObject, times: int) -> None:
        payload, event_id = data.draw(st.sampled_from(self.mail))

        async def arrive() -> None:
            await asyncio.gather(*(self.world.apply(payload, event_id) for _ in range(times)))

        before = self.views()[payload.document_id]
        self.run(arrive())
        if before.token != payload.token:
            assert self.views()[payload.document_id] == before

    @precondition(lambda self: self.hands)
    @rule(data=st.data())
    def a_worker_gives_back(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.hands))
        before = self.views()
        self.run(release(self.store, [claim], self.world.now))
        self.expect(before, {claim.document_id: Released(claim.token)})

    @precondition(lambda self: self.hands)
    @rule()
    def the_workers_say_that_they_sent_their_results(self) -> None:
        before = self.views()
        self.run(report(self.store, self.hands, self.world.now, POLICY))
        self.expect(before, {claim.document_id: Reported(claim.token) for claim in self.hands})

    @precondition(lambda self: self.hands)
    @rule()
    def the_workers_renew(self) -> None:
        before = self.views()
        lost = self.run(renew(self.store, self.hands, LEASE_S, self.world.now))
        held = {claim.document_id for claim in self.hands if before[claim.document_id].token == claim.token}
        leased = {document_id for document_id in held if before[document_id].lease_until}
        assert lost == {claim.document_id for claim in self.hands} - leased

    @rule(sweepers=st.integers(1, 2))
    def somebody_sweeps(self, sweepers: int) -> None:
        before = self.views()

        async def together() -> None:
            await asyncio.gather(*(self.world.sweep() for _ in range(sweepers)))

        self.run(together())
        expired: dict[UUID, DocumentFact] = {key: LeaseExpired() for key, view in before.items() if view.lease_until}
        nudged: dict[UUID, DocumentFact] = {
            key: Nudged() for key, view in before.items() if view.state is State.CHUNKING
        }
        self.expect(before, expired | nudged)

    @rule()
    def the_caller_cancels(self) -> None:
        before = self.views()
        self.run(self.world.cancel(self.job))
        self.expect(before, {document_id: Cancelled() for document_id in before})

    @rule()
    def the_caller_replays(self) -> None:
        before = self.views()
        self.run(self.world.replay(self.job, "scrape"))
        self.ended -= {key for key, view in before.items() if view.state is State.FAILED}
        self.expect(before, {document_id: Replayed("scrape") for document_id in before})

    @invariant()
    def everything_adds_up(self) -> None:
        view = self.run(self.world.job(self.job))
        documents = self.views()
        states = [document.state.value for document in documents.values()]
        assert dict(view.counts) == {state: states.count(state) for state in set(states)}
        final = {key for key, document in documents.items() if document.state not in UNFINISHED}
        assert self.ended <= final, "a document came back from its end"
        assert (view.ended_at is not None) == (len(final) == len(documents))
        self.ended = final
        for document_id, document in documents.items():
            assert document.token >= self.tokens.get(document_id, 0)
            self.tokens[document_id] = document.token

    def teardown(self) -> None:
        """Whatever was lost: sweeps and workers that die bring every document to an end."""
        for _ in range(60):
            if all(view.state not in UNFINISHED for view in self.views().values()):
                break
            self.world.after(LEASE_S + 40)
            self.run(self.world.sweep())
            self.run(self.world.scrape())
            self.run(self.world.embed())
        assert self.run(self.world.job(self.job)).ended_at is not None
        self.run(self.store.pool.execute("DELETE FROM corpora; DELETE FROM domains"))


def state_of(row: DocumentView | Move) -> tuple[object, ...]:
    return row.state, row.token, row.attempt, row.deaths, row.nudges, row.not_before, row.lease_until, row.reported


def test_one_job_under_every_kind_of_trouble(database: str) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        OneJob.runner = runner
        OneJob.store = runner.run(Store.open(database))
        try:
            run_state_machine_as_test(OneJob, settings=settings(max_examples=25, stateful_step_count=20, deadline=None))
        finally:
            runner.run(OneJob.store.close())
