"""What work took: of a caller, by corpus and by time; of a job, with its documents; of a URL."""

from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from gateway import cursors
from gateway.documents import ordinal
from gateway.jobs import own_job
from gateway.parameters import Cursor, Limit, Moment
from gateway.resources import Caller, Opened, Resources
from gateway.views import DocumentState
from shared.auth.access import require
from shared.auth.context import CallerContext
from shared.contracts.jobs import CorpusName, is_corpus_id
from shared.errors import InvalidInput, NotFound
from shared.pipeline import costs as pipeline
from shared.store import costs as store
from shared.store import reads
from shared.store.costs import By, Hours
from shared.store.whereabouts import documents_of_url
from shared.urls import normalise

COSTS = "/api/costs"
GROUPS = 1000
HOUR = timedelta(hours=1)


class Cost(BaseModel):
    """Of every try that was reported, whether it succeeded or not; `attempts` counts them.

    `fetched_bytes` are bodies as they came over the wire, `decoded_bytes` what they unpacked to, `text_bytes` the text
    that was stored. `chunks` and `indexed_tokens` went into the index; `embedded_tokens` were sent to the embedder, in
    `embed_requests`, of which documents that share one pay parts. `cpu_seconds` is the sum of the stages'.
    """

    attempts: int
    fetched_bytes: int
    decoded_bytes: int
    text_bytes: int
    chunks: int
    indexed_tokens: int
    embedded_tokens: int
    embed_requests: float
    scrape_cpu_seconds: float
    chunk_cpu_seconds: float
    embed_cpu_seconds: float
    cpu_seconds: float

    @classmethod
    def of(cls, cost: pipeline.Cost) -> Self:
        cpu_s = (cost.scrape_cpu_s, cost.chunk_cpu_s, cost.embed_cpu_s)
        return cls(
            attempts=cost.attempts,
            fetched_bytes=cost.fetched_bytes,
            decoded_bytes=cost.decoded_bytes,
            text_bytes=cost.text_bytes,
            chunks=cost.chunks,
            indexed_tokens=cost.indexed_tokens,
            embedded_tokens=cost.embedded_tokens,
            embed_requests=round(cost.embed_requests, 3),
            scrape_cpu_seconds=round(cpu_s[0], 6),
            chunk_cpu_seconds=round(cpu_s[1], 6),
            embed_cpu_seconds=round(cpu_s[2], 6),
            cpu_seconds=round(sum(cpu_s), 6),
        )


class CostGroup(BaseModel):
    """What was asked to be told apart: one of `corpus`, `caller_id` and `since`. A deleted corpus has no name."""

    corpus: str | None
    caller_id: str | None
    since: datetime | None
    cost: Cost


class CostSum(BaseModel):
    """The groups are the newest hours or days, or the corpora or callers that took most; `more`: there are others."""

    since: datetime | None
    before: datetime | None
    cost: Cost
    groups: list[CostGroup]
    more: bool


class DocumentCost(BaseModel):
    """Of one document, over all its tries."""

    document_id: UUID
    job_id: UUID
    url: str
    status: DocumentState
    cost: Cost


class JobCosts(BaseModel):
    """`cost` is the whole job's, sitemaps that it read included; `next` is the cursor of the page after this one."""

    job_id: UUID
    cost: Cost
    documents: list[DocumentCost]
    next: str | None


class UrlCosts(BaseModel):
    """Each time that the URL was handed in, newest first."""

    url: str
    documents: list[DocumentCost]
    next: str | None


async def costs(
    caller: Caller,
    resources: Opened,
    corpus: Annotated[CorpusName | None, Query(description="spent on this one alone; with `all`, its id")] = None,
    since: Annotated[Moment | None, Query(description="from this hour on")] = None,
    before: Annotated[
        Moment | None, Query(description="until the hour that this is in has ended, or begins with it")
    ] = None,
    by: Annotated[By | None, Query(description="what to tell apart; `caller` only with `all`")] = None,
    all_callers: Annotated[bool, Query(alias="all", description="of all callers: needs the scope admin")] = False,
) -> CostSum:
    """What the caller has spent, or all have, in whole hours, up to 400 days back."""
    if all_callers:
        require(caller, "admin")
    elif by == "caller":
        raise InvalidInput("by_caller_needs_all", "callers are told apart with all=true only", field="by")
    hours = Hours(since and _begins(since), before and _ends(before))
    corpus_id = None if corpus is None else await _corpus_id(resources, caller, corpus, any_owner=all_callers)

    async def read(told_apart: By | None, limit: int) -> list[store.CostGroup]:
        if all_callers:
            found = await store.all_costs(resources.store, hours, corpus_id=corpus_id, by=told_apart, limit=limit)
        else:
            found = await store.caller_costs(
                resources.store, caller.caller_id, hours, corpus_id=corpus_id, by=told_apart, limit=limit
            )
        return list(found)

    total = await read(None, 1)
    groups = await read(by, GROUPS + 1) if by else []
    return CostSum(
        since=hours.since,
        before=hours.before,
        cost=Cost.of(total[0].cost if total else pipeline.Cost()),
        groups=[_group(group) for group in groups[:GROUPS]],
        more=len(groups) > GROUPS,
    )


async def of_job(
    job_id: UUID, caller: Caller, resources: Opened, limit: Limit = 100, cursor: Cursor = None
) -> JobCosts:
    """What a job took, and each of its documents, in the order of submission."""
    after = -1 if cursor is None else cursors.decode(cursor, ordinal)
    await own_job(resources, caller.caller_id, job_id)
    found = await reads.list_documents(resources.store, caller.caller_id, job_id, limit=limit + 1, after=after)
    page = found[:limit]
    spent = await store.document_costs(resources.store, {row.id: job_id for row in page})
    documents = [_document(row.id, job_id, row.url, row.state, spent) for row in page]
    more = cursors.encode(str(page[-1].ordinal)) if len(found) > limit else None
    cost = await store.job_cost(resources.store, job_id)
    return JobCosts(job_id=job_id, cost=Cost.of(cost), documents=documents, next=more)


async def of_url(
    url: Annotated[str, Query(max_length=2048, description="as it was handed in")],
    caller: Caller,
    resources: Opened,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> UrlCosts:
    """What a URL took, each time that the caller handed it in."""
    after = None if cursor is None else cursors.decode_moment(cursor)
    url = normalise(url)
    found = await documents_of_url(resources.store, caller.caller_id, url, limit=limit + 1, after=after)
    page = found[:limit]
    spent = await store.document_costs(resources.store, {one.id: one.job_id for one in page})
    documents = [_document(one.id, one.job_id, url, one.state, spent) for one in page]
    more = cursors.encode_moment(page[-1].created_at, page[-1].id) if len(found) > limit else None
    return UrlCosts(url=url, documents=documents, next=more)


async def _corpus_id(resources: Resources, caller: CallerContext, corpus: str, *, any_owner: bool) -> UUID:
    if any_owner and is_corpus_id(corpus):
        return UUID(corpus)
    view = await reads.reach_corpus(resources.store, caller.caller_id, corpus)
    if view is None:
        raise NotFound("corpus_not_found", "there is no such corpus, or it is not yours", field="corpus")
    return view.corpus_id


def _document(document_id: UUID, job_id: UUID, url: str, status: str, spent: dict[UUID, pipeline.Cost]) -> DocumentCost:
    return DocumentCost.model_validate(
        {
            "document_id": document_id,
            "job_id": job_id,
            "url": url,
            "status": status,
            "cost": Cost.of(spent[document_id]),
        }
    )


def _group(group: store.CostGroup) -> CostGroup:
    return CostGroup(corpus=group.corpus, caller_id=group.caller_id, since=group.since, cost=Cost.of(group.cost))


def _begins(moment: datetime) -> datetime:
    """The hour that it is in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _ends(moment: datetime) -> datetime | None:
    """The hour that it is in; None when that is the last of all time."""
    begun = _begins(moment)
    try:
        return begun if begun == moment else begun + HOUR
    except OverflowError:
        return None
