"""What a worker may work on: claims, heartbeats and giving back."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from shared.contracts.jobs import SitemapOptions
from shared.contracts.payload import ObjectRef
from shared.pipeline.costs import Cost
from shared.pipeline.domain import domain_of
from shared.pipeline.policy import PATIENT, Policy
from shared.store import measures
from shared.store.costs import as_json
from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("claims")


class Claimed(Protocol):
    """Any claim: a document, fenced by a token."""

    @property
    def document_id(self) -> UUID: ...
    @property
    def token(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Leased:
    """Somebody's claim, known by its fence alone."""

    document_id: UUID
    token: int


@dataclass(frozen=True, slots=True)
class ScrapeClaim:
    """Fetch `fetch_url` (the target of a redirect to another domain, else `url`).

    `redirects` counts those before this claim. `etag` and `last_modified` are given only while the version they speak
    of is what search sees with today's chunker and model. `deaths` > 0 marks a document that was in hand when a worker
    died: work on it alone, claim nothing beside it. With `sitemap` it is one, and
    these are its job's wishes. `replayed_at`: it had ended before, and was sent through anew then.
    """

    document_id: UUID
    job_id: UUID
    corpus_id: UUID
    caller_id: str
    token: int
    attempt: int
    deaths: int
    url: str
    fetch_url: str
    redirects: int
    domain: str
    etag: str | None
    last_modified: str | None
    ready_at: datetime
    replayed_at: datetime | None = None
    sitemap: SitemapOptions | None = None


@dataclass(frozen=True, slots=True)
class EmbedClaim:
    """Embed the spans that `chunks` lists of `text`; `count` chunks, `tokens` in all."""

    document_id: UUID
    job_id: UUID
    corpus_id: UUID
    caller_id: str
    token: int
    attempt: int
    deaths: int
    url: str
    text: ObjectRef
    chunks: ObjectRef
    count: int
    tokens: int
    model: str
    dimension: int
    ready_at: datetime
    replayed_at: datetime | None = None


async def claim_scrape(
    store: Store, limit: int, lease_s: float, now: datetime, *, suspects: bool = True
) -> list[ScrapeClaim]:
    """Ready documents whose domain is open, fair between callers, at most one of a domain that wants a delay.

    With `suspects` (only for a worker that has nothing in hand) a document with deaths comes first, and alone.
    """
    lane, caller = _anywhere(now)
    rows = await store.fetch(_SQL["scrape"], limit, lease_s, now, suspects, lane, caller)
    return measures.claimed("scrape", [_scrape_claim(dict(row)) for row in rows], now)


async def claim_embed(
    store: Store, limit: int, token_budget: int, lease_s: float, now: datetime, *, suspects: bool = True
) -> list[EmbedClaim]:
    """Ready documents of up to `token_budget` tokens together (always at least one), fair between callers."""
    _, caller = _anywhere(now)
    rows = await store.fetch(_SQL["embed"], limit, lease_s, now, suspects, token_budget, caller)
    return measures.claimed("embed", [_embed_claim(dict(row)) for row in rows], now)


async def renew(store: Store, claims: Sequence[Claimed], lease_s: float, now: datetime) -> set[UUID]:
    """Prolongs the leases. Answers the documents that are no longer ours: stop working on them."""
    rows = await store.fetch(_SQL["renew"], *_columns(claims), lease_s, now)
    return {claim.document_id for claim in claims} - {row["id"] for row in rows}


async def report(store: Store, claims: Collection[Claimed], now: datetime, policy: Policy = PATIENT) -> None:
    """Their results are sent: whatever becomes of those, no worker died of these documents."""
    await store.fetch(_SQL["reported"], *_columns(claims), now, policy.result_wait_s(0), policy.nudge_cap_s)


async def release(
    store: Store,
    claims: Collection[Claimed],
    now: datetime,
    *,
    not_before: datetime | None = None,
    fetch_url: str | None = None,
    costs: Sequence[Cost | None] | None = None,
) -> None:
    """Gives claims back, without a try being counted. `fetch_url` sends one document on to a redirect's target.

    `costs` are what the work on each has taken so far.
    """
    domain = domain_of(fetch_url) if fetch_url else None
    until = max(now, not_before or now)
    spent = [as_json(cost) for cost in costs or [None] * len(claims)]
    await store.fetch(_SQL["release"], *_columns(claims), until, now, fetch_url, domain, spent)


async def void_leases(store: Store, now: datetime) -> None:
    """For when no worker can be alive: a platform that starts on the data of one that died waits for nobody."""
    leased = await store.fetch(_SQL["leased"])
    await release(store, [Leased(row["document_id"], row["token"]) for row in leased], now)


def _columns(claims: Collection[Claimed]) -> tuple[list[UUID], list[int]]:
    return [claim.document_id for claim in claims], [claim.token for claim in claims]


def _anywhere(now: datetime) -> tuple[int, str]:
    """Where a scan of lanes and callers begins: elsewhere each time, so that no name is always first."""
    spread = (int(now.timestamp() * 1_000_000) * 2654435761) % (1 << 32)
    return spread - (1 << 31), f"{spread:08x}"


def _scrape_claim(row: dict[str, Any]) -> ScrapeClaim:
    sitemap = row.pop("sitemap")
    return ScrapeClaim(sitemap=SitemapOptions.model_validate_json(sitemap) if sitemap else None, **row)


def _embed_claim(row: dict[str, Any]) -> EmbedClaim:
    return EmbedClaim(text=_ref(row, "text"), chunks=_ref(row, "chunks"), **row)


def _ref(row: dict[str, Any], part: str) -> ObjectRef:
    key, sha256, size = (row.pop(f"{part}_{column}") for column in ("key", "sha256", "size"))
    return ObjectRef(key=key, sha256=sha256, size_bytes=size)
