"""What the search function reads from its environment."""

from dataclasses import dataclass

from shared.embeddings.client import EndpointSettings
from shared.settings import Environment


@dataclass(frozen=True, slots=True)
class Settings:
    """`concurrency` bounds the questions that are being embedded at once; `recall_sample` of 0 compares none."""

    endpoint: EndpointSettings
    database_url: str
    pool_size: int
    concurrency: int
    query_prefix: str
    recall_sample: float

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        return cls(
            endpoint=EndpointSettings.read_for_queries(env),
            database_url=env.text("DATABASE_URL"),
            pool_size=env.integer("DATABASE_POOL_SIZE", 4, minimum=1),
            concurrency=env.integer("SEARCH_CONCURRENCY", 8, minimum=1),
            query_prefix=env.optional("EMBEDDING_QUERY_PREFIX") or "",
            recall_sample=env.number("SEARCH_RECALL_SAMPLE", 0.01),
        )
