"""What the functions of a local platform find in their environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from cli.data_dir import EMBEDDING_KEY_VARIABLE

ROOT = Path(__file__).resolve().parents[1]
# Settings that whoever starts the platform may give; everything else of their environment stays with them.
PASSED_ON = (
    "AWS_",
    "CHUNK_",
    "DEPLOYMENT_ENVIRONMENT",
    "EMBED_",
    "EMBEDDING_",
    "EVENT_SINK",
    "INFERENCE_",
    "INTERNAL_CALLER_IDS",
    "K_SINK",
    "LEASE_SECONDS",
    "LINGER_SECONDS",
    "MAX_ATTEMPTS",
    "MAX_QUEUE_DEPTH",
    "MEMBERSHIP_CACHE_SECONDS",
    "MEMBERSHIP_TIMEOUT_SECONDS",
    "MODEL_CACHE_DIR",
    "OBJECT_KEEP_HOURS",
    "OBJECT_STORE_URL",
    "ORCHESTRATOR_KEY_HASH",
    "OTEL_",
    "PYROSCOPE_SERVER_ADDRESS",
    "RATE_",
    "SCRAPE_",
    "SEARCH_",
    "SERVICE_VERSION",
    "SYNC_TIMEOUT_SECONDS",
    "TIER_WEIGHTS",
    "VECTOR_",
    "WEBHOOK_",
    "WAKE_UP_SECONDS",
    "WORKER_",
    "XDG_CACHE_HOME",
)


# For the inference function on this machine's processor, which shares its cores with everything else: batches small
# enough to be answered in time even then. An endpoint that somebody names gets the sizes made for a GPU.
PROCESSOR_SIZES = {"EMBED_BATCH_TOKENS": "4096", "EMBED_CONCURRENCY": "2", "EMBEDDING_TIMEOUT_SECONDS": "180"}


def platform_environment(
    *, port: int, database_url: str, redis_url: str, object_store_url: str, given: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """`given` wins over the defaults, but not over where the services of this platform are."""
    platform = f"http://127.0.0.1:{port}"
    defaults = {
        "EVENT_SINK": "broker",
        "OBJECT_STORE_URL": object_store_url,
        "EMBEDDING_API_BASE_URL": f"{platform}/function/inference/v1",
        "EMBEDDING_MODEL": "all-MiniLM-L6-v2",
        "EMBEDDING_DIMENSION": "384",
        # Reading pages is processor work: more workers at once than cores leave only slows all of them down.
        "SCRAPE_SLOTS": str(max(1, (os.cpu_count() or 1) // 2)),
        "EMBED_SLOTS": str(max(1, (os.cpu_count() or 1) // 2)),
        # Looking for plug-ins costs every cold start a few milliseconds.
        "PYDANTIC_DISABLE_PLUGINS": "true",
    }
    if not given.get("EMBEDDING_API_BASE_URL"):
        defaults |= PROCESSOR_SIZES
    chosen = {name: value for name, value in given.items() if value and _is_passed_on(name)}
    here = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "BROKER_URL": f"{platform}/broker/sluice/default",
        "FUNCTION_URL_TEMPLATE": platform + "/function/{name}",
        "MEMBERSHIP_URL": f"{platform}/function/membership",
        "TRIGGERS_DIR": str(ROOT / "triggers"),
    }
    return defaults | chosen | here


def _is_passed_on(name: str) -> bool:
    """The endpoint's key goes as a secret, and only to the functions that ask for it. What a process is called in its
    traces, each knows itself."""
    return name.startswith(PASSED_ON) and name not in (EMBEDDING_KEY_VARIABLE, "OTEL_SERVICE_NAME")
