"""What the embed processes read from their environment."""

from dataclasses import dataclass

from functions.embed.core import BatchLimits
from shared.embeddings.answer import Model
from shared.embeddings.client import EndpointSettings
from shared.settings import Environment

QUEUE = "embed"
TASK = "functions.embed.job.run"


@dataclass(frozen=True, slots=True)
class WakeSettings:
    """Where the wake-ups go, and how many workers may be awake at once."""

    redis_url: str
    slots: int

    @classmethod
    def read(cls, env: Environment) -> "WakeSettings":
        return cls(env.text("REDIS_URL"), env.integer("EMBED_SLOTS", 4, minimum=1))


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
    database_url: str
    object_store_url: str
    documents: int
    lease_s: float
    budget_s: float
    linger_s: float
    max_attempts: int
    index_threshold: int

    @classmethod
    def read(cls, env: Environment) -> "JobSettings":
        return cls(
            batches=BatchSettings.read(env),
            wake=WakeSettings.read(env),
            database_url=env.text("DATABASE_URL"),
            object_store_url=env.text("OBJECT_STORE_URL"),
            documents=env.integer("EMBED_DOCUMENTS", 64, minimum=1),
            lease_s=env.number("LEASE_SECONDS", 60.0, minimum=1.0),
            budget_s=env.number("WAKE_UP_SECONDS", 240.0),
            linger_s=env.number("LINGER_SECONDS", 1.0),
            max_attempts=env.integer("MAX_ATTEMPTS", 4, minimum=1),
            index_threshold=env.integer("VECTOR_INDEX_THRESHOLD", 10_000, minimum=1),
        )

    @property
    def claim_tokens(self) -> int:
        """Twice what is on its way, so that the next batches fill while these are computed."""
        return 2 * self.batches.concurrency * self.batches.limits.max_tokens


def default_model(env: Environment) -> Model:
    """For those who call directly; a document brings its corpus's."""
    return Model(env.text("EMBEDDING_MODEL", "all-MiniLM-L6-v2"), env.integer("EMBEDDING_DIMENSION", 384, minimum=1))
