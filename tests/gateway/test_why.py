"""A paragraph for every state, and for every reason to be in it. Facts in, words out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.why import Facts, explain
from gateway.wording import span
from shared.pipeline.states import State
from shared.store.reads import FailureRow
from shared.store.whereabouts import COUNTED_UP_TO, Whereabouts

NOW = datetime(2026, 2, 3, 10, 15, tzinfo=UTC)
SELF, JOB, OTHER = (UUID(int=n) for n in (1, 2, 3))


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


DOCUMENT = Whereabouts(
    id=SELF,
    ordinal=0,
    url="https://e.example/page",
    is_sitemap=False,
    state="pending",
    token=1,
    attempt=0,
    error_stage=None,
    error_kind=None,
    error_code=None,
    error_message=None,
    chunks=None,
    tokens=None,
    not_before=at(-60),
    lease_until=None,
    domain_next_at=None,
    domain_reason="domain",
    updated_at=at(-60),
    ended_at=None,
    job_id=JOB,
    corpus="docs",
    created_at=at(-90),
    deaths=0,
    nudges=0,
    reported=False,
    domain="e.example",
    pace_s=1.0,
    job_status="running",
    cancel_requested_at=None,
    shown_document_id=None,
    shown_since=None,
    ahead=0,
)


def failure(stage: str = "scraping", code: str = "http_503", **changed: Any) -> FailureRow:
    row = FailureRow(1, 1, stage, "transient", code, "the server said 503", at(-20))
    return replace(row, **changed)


def why(state: str, failures: Sequence[FailureRow] = (), eta_s: float | None = None, **changed: Any) -> str:
    return explain(Facts(replace(DOCUMENT, state=state, **changed), failures, eta_s, NOW))


def ended(seconds: float = -30) -> dict[str, Any]:
    return {"ended_at": at(seconds), "chunks": 3, "tokens": 700, "shown_document_id": SELF, "shown_since": at(seconds)}


WAITS = "It waits to be fetched, since 2026-02-03 10:14:00Z (1 min ago)."
CASES = {
    "queued": (
        why("pending", eta_s=125.0),
        [
            WAITS,
            "Nothing holds it back: the next free scrape worker takes it.",
            "At the rate it goes, the whole job is done in about 2 min 5 s.",
        ],
    ),
    "queued behind others": (
        why("pending", ahead=12),
        [
            WAITS,
            "12 documents of yours at e.example come before it, which takes 12 s or more.",
        ],
    ),
    "domain": (
        why("pending", domain_next_at=at(0.8), ahead=COUNTED_UP_TO),
        [
            WAITS,
            "e.example gets one request each 1 s: its next turn is 2026-02-03 10:15:00Z (in 0.8 s).",
            "1,000 documents or more of yours at e.example come before it, which takes 16 min 40 s or more.",
        ],
    ),
    "crawl delay": (
        why("pending", domain_next_at=at(20), domain_reason="crawl_delay", pace_s=30.0),
        [
            WAITS,
            "e.example asks in its robots.txt for 30 s between requests: its next turn is 2026-02-03 10:15:20Z",
            "(in 20 s).",
        ],
    ),
    "slowed": (
        why("pending", [failure(code="http_429")], domain_next_at=at(5), domain_reason="domain_slowed", pace_s=64.0),
        [
            WAITS,
            "The last try to fetch it ended 2026-02-03 10:14:40Z (20 s ago): the server said 503 (http_429).",
            "e.example has answered 429 or 503, and gets one request each 1 min 4 s until it recovers: its next",
            "turn is 2026-02-03 10:15:05Z (in 5 s).",
        ],
    ),
    "backof": (
        why("pending", [failure(), failure()], attempt=2, not_before=at(90)),
        [
            WAITS,
            "Twice it could not be fetched, the last time 2026-02-03 10:14:40Z (20 s ago): the server said 503",
            "(http_503).",
            "The next try is 2026-02-03 10:16:30Z (in 1 min 30 s).",
        ],
    ),
    "put back": (
        why("pending", not_before=at(9)),
        [
            WAITS,
            "It was put back without a fault of its own, until 2026-02-03 10:15:09Z (in 9 s).",
        ],
    ),
    "suspect": (
        why("pending", [failure(code="lease_expired", message="the worker stopped without a word")], deaths=1),
        [
            WAITS,
            "1 worker died while they had it, so it is taken alone.",
            "The last try to fetch it ended 2026-02-03 10:14:40Z (20 s ago): the worker stopped without a word",
            "(lease_expired).",
            "Nothing holds it back: the next free scrape worker takes it.",
        ],
    ),
    "sitemap": (
        why("pending", is_sitemap=True),
        [
            "It is a sitemap, and waits to be read, since 2026-02-03 10:14:00Z (1 min ago).",
            "Nothing holds it back: the next free scrape worker takes it.",
        ],
    ),
    "called of": (
        why("pending", cancel_requested_at=at(-1)),
        [
            WAITS,
            "Its job was called off 2026-02-03 10:14:59Z (1 s ago), and it ends with that.",
            "Nothing holds it back: the next free scrape worker takes it.",
        ],
    ),
    "being fetched": (
        why("scraping", lease_until=at(60), updated_at=at(-3)),
        [
            "A worker has it in its hands to be fetched, since 2026-02-03 10:14:57Z (3 s ago).",
            "Its lease, renewed while it works, lasts until 2026-02-03 10:16:00Z.",
        ],
    ),
    "result on its way": (
        why("scraping", lease_until=at(600), reported=True),
        [
            "It is fetched, and the worker has sent its result, which is still on its way.",
            "Should that be lost, it is done again after 2026-02-03 10:25:00Z (in 10 min).",
        ],
    ),
    "worker gone": (
        why("scraping", lease_until=at(-5)),
        [
            "A worker took it to be fetched, and its lease ran out 2026-02-03 10:14:55Z (5 s ago).",
            "The next sweep puts it back, and that costs it no try.",
        ],
    ),
    "being split": (
        why("chunking", not_before=at(30)),
        [
            "Its text is stored, and the chunk function was asked to split it 2026-02-03 10:14:00Z (1 min ago).",
            "Without an answer it is asked again 2026-02-03 10:15:30Z (in 30 s).",
        ],
    ),
    "chunk function silent": (
        why("chunking", nudges=3),
        [
            "Its text is stored, and the chunk function was asked to split it 2026-02-03 10:14:00Z (1 min ago).",
            "3 times no answer came, and it was asked again.",
            "It is asked again with the next sweep.",
        ],
    ),
    "waits for the embedder": (
        why("embedding", chunks=3, tokens=700, ahead=7),
        [
            "It waits to be embedded, with 3 chunks of 700 tokens, since 2026-02-03 10:14:00Z (1 min ago).",
            "7 documents of yours come before it.",
        ],
    ),
    "embedder stalled": (
        why("embedding", [failure("embedding", "embedding_unavailable", message="the endpoint gave no answer.")]),
        [
            "It waits to be embedded, since 2026-02-03 10:14:00Z (1 min ago).",
            "The last try to embed it ended 2026-02-03 10:14:40Z (20 s ago): the endpoint gave no answer",
            "(embedding_unavailable).",
            "Nothing holds it back: the next free embed worker takes it.",
        ],
    ),
    "embedding backs of": (
        why("embedding", [failure("embedding", "embedding_failed")], attempt=1, not_before=at(4)),
        [
            "It waits to be embedded, since 2026-02-03 10:14:00Z (1 min ago).",
            "Once it could not be embedded, the last time 2026-02-03 10:14:40Z (20 s ago): the server said 503",
            "(embedding_failed).",
            "The next try is 2026-02-03 10:15:04Z (in 4 s).",
        ],
    ),
    "being embedded": (
        why("embedding", lease_until=at(60)),
        [
            "A worker has it in its hands to be embedded, since 2026-02-03 10:14:00Z (1 min ago).",
            "Its lease, renewed while it works, lasts until 2026-02-03 10:16:00Z.",
        ],
    ),
    "indexed": (
        why("indexed", [failure()], **ended()),
        [
            "It is indexed in corpus docs, since 2026-02-03 10:14:30Z (30 s ago), 1 min after it was handed in:",
            "3 chunks of 700 tokens.",
            "Before that, 1 try ended without success, the last one with http_503.",
        ],
    ),
    "replaced": (
        why("indexed", **(ended() | {"shown_document_id": OTHER, "shown_since": at(-10)})),
        [
            "It is indexed in corpus docs, since 2026-02-03 10:14:30Z (30 s ago), 1 min after it was handed in:",
            "3 chunks of 700 tokens.",
            "Search sees another version of it, from 2026-02-03 10:14:50Z (10 s ago).",
        ],
    ),
    "withdrawn": (
        why("indexed", **(ended() | {"shown_document_id": None, "shown_since": None})),
        [
            "It is indexed in corpus docs, since 2026-02-03 10:14:30Z (30 s ago), 1 min after it was handed in:",
            "3 chunks of 700 tokens.",
            "Search does not see it any more: its page has since asked not to be found.",
        ],
    ),
    "unchanged": (
        why("unchanged", **(ended() | {"shown_document_id": OTHER})),
        [
            "It was fetched 2026-02-03 10:14:30Z (30 s ago), 1 min after it was handed in, and nothing had",
            "changed since it was indexed in corpus docs.",
        ],
    ),
    "forbidden": (
        why(
            "failed",
            ended_at=at(-30),
            error_stage="scraping",
            error_kind="permanent",
            error_code="robots_disallowed",
            error_message="the site's robots.txt forbids fetching this page",
        ),
        [
            "It failed for good 2026-02-03 10:14:30Z (30 s ago), 1 min after it was handed in, when it was to",
            "be fetched: the site's robots.txt forbids fetching this page (robots_disallowed).",
            "As it is, another try would end the same way, so none was made.",
            f"Once the cause is gone: sluice jobs {JOB} --replay.",
        ],
    ),
    "tries used up": (
        why(
            "failed",
            attempt=4,
            ended_at=at(-30),
            error_stage="embedding",
            error_kind="transient",
            error_code="http_503",
            error_message="busy",
        ),
        [
            "It failed for good 2026-02-03 10:14:30Z (30 s ago), 1 min after it was handed in, when it was to",
            "be embedded: busy (http_503).",
            "That may pass; 4 tries in a row ended so.",
            f"Once the cause is gone: sluice jobs {JOB} --replay.",
        ],
    ),
    "killed its workers": (
        why(
            "failed",
            ended_at=at(-30),
            error_stage="scraping",
            error_kind="interrupted",
            error_code="worker_died",
            error_message="3 workers died while this document was in their hands",
        ),
        [
            "It failed for good 2026-02-03 10:14:30Z (30 s ago), 1 min after it was handed in, when it was to",
            "be fetched: 3 workers died while this document was in their hands (worker_died).",
            "It is not tried again, so that it does no harm to others.",
            f"Once the cause is gone: sluice jobs {JOB} --replay.",
        ],
    ),
    "cancelled": (
        why("cancelled", ended_at=at(-1), cancel_requested_at=at(-2)),
        [
            "Its job was called off, 2026-02-03 10:14:58Z (2 s ago), before it was indexed; nobody works on it",
            "any more.",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_paragraph_says_it_all(case: str) -> None:
    said, sentences = CASES[case]
    assert said == " ".join(sentences)


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_paragraph_whatever_else_is_known(state: str) -> None:
    known: list[dict[str, Any]] = [
        {},
        {"lease_until": at(5), "reported": True, "attempt": 9, "not_before": at(9), "deaths": 2, "nudges": 20},
        {"ended_at": NOW, "error_message": None, "error_code": "x_y", "shown_document_id": OTHER, "shown_since": NOW},
        {"domain_next_at": datetime(2026, 1, 1), "cancel_requested_at": at(-1), "is_sitemap": True},  # noqa: DTZ001
    ]
    for changed in known:
        if state == "scraping":
            changed = {"lease_until": at(1), **changed}
        for failures in ([], [failure(), failure("chunking"), failure("embedding", message="")]):
            said = why(state, failures, 3.0, **changed)
            assert said.endswith("."), said
            assert "  " not in said
            assert "None" not in said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0 s"),
        (0.26, "0.3 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (3600, "1 h"),
        (11_040, "3 h 4 min"),
        (86_400 * 2.13, "2 d 3 h"),
    ],
)
def test_spans_are_short(seconds: float, words: str) -> None:
    assert span(seconds) == words
