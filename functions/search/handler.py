"""The search function: embeds the question on a lane of its own and looks for the nearest passages."""

import asyncio
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.search.core import SearchRequest, read_request, results_of
from functions.search.recall import RecallProbe
from functions.search.settings import Settings
from observe import tracing
from observe.vocabulary import Attributes
from shared.auth.context import CallerContext
from shared.auth.membership import Membership
from shared.embeddings.answer import Model
from shared.embeddings.client import EmbeddingClient
from shared.embeddings.measures import SEARCHING
from shared.errors import InvalidInput, NotFound, Overloaded, TooLarge
from shared.events.event import Json
from shared.store.search import SECONDS, find_corpus, search
from shared.store.store import Store

# How many questions may wait for a place, for each that is being embedded.
WAITING_PER_PLACE = 8
RETRY_AFTER_S = 1.0


class QueryLane:
    """Few at once and a short queue: a question that would wait too long is told so instead."""

    def __init__(self, client: EmbeddingClient, concurrency: int) -> None:
        self._client = client
        self._places = asyncio.Semaphore(concurrency)
        self._most = concurrency * (1 + WAITING_PER_PLACE)
        self._inside = 0

    async def embed(self, query: str, model: Model) -> "array[float]":
        """Raises `InvalidInput` for a question that the model does not take, else what the client raises."""
        if self._inside >= self._most:
            raise Overloaded("search_overloaded", "too many questions wait already", retry_after_s=RETRY_AFTER_S)
        self._inside += 1
        started = time.perf_counter()
        try:
            async with self._places:
                with tracing.span("embed query", {"operation": "read", "embedding.model": model.name}):
                    [vector] = await self._client.embed([query], model)
        except TooLarge as exc:
            raise InvalidInput("query_too_long", "the question is longer than the model takes", field="query") from exc
        finally:
            self._inside -= 1
        SECONDS.observe(time.perf_counter() - started, "read", "embed")
        return vector


@dataclass(frozen=True)
class Resources:
    """`prefix` is what the model wants before a question, and not before a passage."""

    store: Store
    lane: QueryLane
    prefix: str
    recall: RecallProbe


@asynccontextmanager
async def open_resources(settings: Settings, membership: Membership) -> AsyncIterator[Resources]:
    """Closes the membership client too."""
    client = EmbeddingClient(settings.endpoint, SEARCHING)
    SEARCHING.allows(settings.concurrency)
    try:
        async with (
            await Store.open(settings.database_url, pool_size=settings.pool_size, timeout_s=10) as store,
            RecallProbe(store, settings.recall_sample) as recall,
        ):
            yield Resources(store, QueryLane(client, settings.concurrency), settings.query_prefix, recall)
    finally:
        await client.close()
        await membership.close()


async def answer(body: Json, caller: CallerContext, resources: Resources) -> Json:
    """`{"query", "corpus", "k"?, "filter"?}` to `{"results": […]}`: exactly min(k, matching), the nearest first."""
    request = read_request(body)
    corpus = await find_corpus(resources.store, caller.caller_id, request.corpus)
    if corpus is None:
        raise NotFound("corpus_not_found", "you have no corpus of this name", field="corpus")
    with tracing.span("nearest passages", _described(request, corpus.model)):
        vector = await resources.lane.embed(resources.prefix + request.query, Model(corpus.model, corpus.dimension))
        hits = await search(resources.store, corpus, vector, request.k, request.matching)
    resources.recall.offer(corpus, vector, request.matching, hits)
    return results_of(hits)


def _described(request: SearchRequest, model: str) -> Attributes:
    return {
        "operation": "read",
        "corpus.name": request.corpus,
        "search.top_k": request.k,
        "embedding.model": model,
    }
