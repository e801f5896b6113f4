"""The embed worker: `python -m functions.embed.worker`."""

import os

from functions.embed.settings import QUEUE, JobSettings
from shared.publish.open import read_signed_sink
from shared.runtime.startup import starting
from shared.settings import Environment
from shared.workqueue.worker import WorkerSettings, run_worker


def main() -> None:
    env = Environment(os.environ)
    with starting("embed-worker"):
        settings = WorkerSettings.read(env, QUEUE)
        JobSettings.read(env)
        read_signed_sink(env)
    run_worker(settings, _preload)


def _preload() -> None:
    """What a wake-up imports, once, before the forks."""
    import aiohttp  # noqa: F401, PLC0415
    import asyncpg  # noqa: F401, PLC0415
    import obstore.store  # noqa: F401, PLC0415
    from openai.resources.embeddings import AsyncEmbeddings  # noqa: F401, PLC0415

    import functions.embed.job  # noqa: F401, PLC0415


if __name__ == "__main__":
    main()
