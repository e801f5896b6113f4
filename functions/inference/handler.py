"""`POST /v1/embeddings` and `GET /v1/models`: what is asked for, through tokenizer and lanes, in OpenAI's shapes."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from functions.inference import core
from functions.inference.lane import Lane
from functions.inference.model import Model
from shared.errors import InvalidInput, NotFound, Overloaded, SluiceError, TooLarge, Unavailable
from shared.events.event import Json
from shared.model_files import model_folder
from shared.runtime.http import HttpRequest, HttpResponse, json_response
from shared.settings import Environment

log = logging.getLogger(__name__)

# The most telling class first.
STATUS: tuple[tuple[type[SluiceError], int], ...] = (
    (TooLarge, 413), (InvalidInput, 400), (NotFound, 404), (Overloaded, 429), (Unavailable, 503),
)  # fmt: skip


# Tokenised on the event loop: takes less time than finding a thread.
SMALL_CHARS = 1000


@dataclass(frozen=True)
class Settings:
    """Sizes are in tokens. A batch is small enough that a query behind it hardly waits."""

    folder: Path
    cache: Path
    model: str
    threads: int
    batch_tokens: int
    max_waiting_tokens: int
    query_tokens: int

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        home = Path(env.text("XDG_CACHE_HOME", str(Path(env.text("HOME", "/tmp")) / ".cache")))  # noqa: S108
        return cls(
            folder=model_folder(env),
            cache=Path(env.text("MODEL_CACHE_DIR", str(home / "sluice" / "models"))),
            model=env.text("EMBEDDING_MODEL", "all-MiniLM-L6-v2"),
            threads=env.integer("INFERENCE_THREADS", len(os.sched_getaffinity(0)), minimum=1),
            batch_tokens=env.integer("INFERENCE_BATCH_TOKENS", 2048, minimum=1),
            max_waiting_tokens=env.integer("INFERENCE_MAX_WAITING_TOKENS", 262_144, minimum=1),
            query_tokens=env.integer("INFERENCE_QUERY_TOKENS", 64),
        )


@dataclass(frozen=True)
class Engine:
    """A model with two lanes: a short single text, as a search sends it, never stands behind a document's chunks."""

    name: str
    model: Model
    bulk: Lane
    queries: Lane
    query_tokens: int

    async def embed(self, request: core.EmbeddingRequest) -> "tuple[list[core.Vector], int]":
        """Vectors in the order of the inputs, and how many tokens the model saw."""
        sequences = await self._sequences(request)
        lane = self.queries if len(sequences) == 1 and len(sequences[0]) <= self.query_tokens else self.bulk
        return await lane.embed(sequences), sum(map(len, sequences))

    async def _sequences(self, request: core.EmbeddingRequest) -> list[core.Tokens]:
        frame = self.model.frame
        for tokens in request.tokens:
            frame.check_ids(tokens)
        contents = request.tokens or await self._tokenize(request.texts)
        return [frame.frame(content, truncate=request.truncate) for content in contents]

    async def _tokenize(self, texts: list[str]) -> list[core.Tokens]:
        if sum(map(len, texts)) <= SMALL_CHARS:
            return self.model.tokenize(texts)
        return await asyncio.to_thread(self.model.tokenize, texts)


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[Engine]:
    """Loads the model in a thread, so that liveness answers meanwhile, and keeps both lanes working."""
    model = await asyncio.to_thread(Model.open, settings.folder, settings.cache, threads=settings.threads)
    bounds = {"batch_tokens": settings.batch_tokens, "max_waiting": settings.max_waiting_tokens}
    bulk, queries = Lane(model.embed, **bounds), Lane(model.embed, **bounds)
    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(lane.work(), name=name) for lane, name in ((bulk, "bulk"), (queries, "queries"))]
        try:
            yield Engine(settings.model, model, bulk, queries, settings.query_tokens)
        finally:
            for task in working:
                task.cancel()


async def embeddings(request: HttpRequest, engine: Engine) -> HttpResponse:
    """`POST /v1/embeddings`."""
    try:
        asked = core.parse(request.body, model=engine.name, dimension=engine.model.config.hidden)
        vectors, tokens = await engine.embed(asked)
    except SluiceError as exc:
        return error_response(exc)
    body = core.embeddings_body(vectors, model=engine.name, prompt_tokens=tokens, as_base64=asked.as_base64)
    return HttpResponse(200, (("content-type", "application/json"),), body)


async def models(request: HttpRequest, engine: Engine) -> HttpResponse:
    """`GET /v1/models`."""
    return json_response({"object": "list", "data": [_model_card(engine)]})


async def model_card(request: HttpRequest, engine: Engine) -> HttpResponse:
    """`GET /v1/models/<the model>`."""
    return json_response(_model_card(engine))


def _model_card(engine: Engine) -> dict[str, Json]:
    return core.models_body(engine.name, dimension=engine.model.config.hidden, limit=engine.model.config.limit)


def error_response(exc: SluiceError) -> HttpResponse:
    """An error in OpenAI's shape, with `Retry-After` where a wait is known."""
    status = next((status for kind, status in STATUS if isinstance(exc, kind)), 500)
    headers = (("retry-after", str(round(exc.retry_after_s))),) if exc.retry_after_s is not None else ()
    return json_response(core.error_body(exc.code, exc.message, exc.field, ours=status >= 429), status, headers)
