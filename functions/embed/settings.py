"""What the embed processes read from their environment."""

from dataclasses import dataclass

from functions.embed.core import BatchLimits
from shared.embeddings.answer import Model
from shared.embeddings.client import EndpointSettings
from shared.settings import Environment
from shared.workqueue.settings import DrainSettings, WakeSettings

QUEUE = "embed"
TASK = "functions.embed.job.run"


def read_wake(env: Environment) -> WakeSettings:
    return WakeSettings(env.text("REDIS_URL"), QUEUE, TASK, env.integer("EMBED_SLOTS", 4, minimum=1))


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How the endpoint is asked. `concurrency` is requests at once, of one process; `retry_s` the first wait of two."""

    endpoint: EndpointSettings
    limits: BatchLimits
    concurrency: int
    retry_s: float

    @classmethod
    def read(cls, env: Environment) -> "BatchSettings":
        limits = BatchLimits(
            max_tokens=env.integer("EMBED_BATCH_TOKENS", 16_384, minimum=1),
            max_texts=env.integer("EMBED_BATCH_TEXTS", 256, minimum=1),
        )
        return cls(
            EndpointSettings.read(env),
            limits,
            env.integer("EMBED_CONCURRENCY", 4, minimum=1),
            env.number("EMBED_RETRY_SECONDS", 0.5),
        )


@dataclass(frozen=True, slots=True)
class JobSettings:
    """One wake-up of a worker. `documents` are in hand at once, their tokens bounded by what a few batches hold."""

    batches: BatchSettings
    wake: WakeSettings
    drain: DrainSettings
    documents: int
    index_threshold: int

    @classmethod
    def read(cls, env: Environment) -> "JobSettings":
        return cls(
            batches=BatchSettings.read(env),
            wake=read_wake(env),
            drain=DrainSettings.read(env),
            documents=env.integer("EMBED_DOCUMENTS", 64, minimum=1),
            index_threshold=env.integer("VECTOR_INDEX_THRESHOLD", 10_000, minimum=1),
        )

    @property
    def claim_tokens(self) -> int:
        """Twice what is on its way, so that the next batches fill while these are computed."""
        return 2 * self.batches.concurrency * self.batches.limits.max_tokens


def default_model(env: Environment) -> Model:
    """For those who call directly; a document brings its corpus's."""
    return Model(env.text("EMBEDDING_MODEL", "all-MiniLM-L6-v2"), env.integer("EMBEDDING_DIMENSION", 384, minimum=1))
