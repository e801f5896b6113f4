"""The scrape worker: `python -m functions.scrape.worker`. Its parser process outlives the forks."""

import os

from functions.scrape.parsing import parser_process
from functions.scrape.settings import QUEUE, JobSettings
from shared.publish.open import read_signed_sink
from shared.runtime.startup import starting
from shared.settings import Environment
from shared.workqueue.worker import WorkerSettings, run_worker


def main() -> None:
    env = Environment(os.environ)
    with starting("scrape-worker"):
        settings = WorkerSettings.read(env, QUEUE)
        JobSettings.read(env)
        read_signed_sink(env)
    with parser_process() as socket_path:
        os.environ["SLUICE_PARSER_SOCKET"] = socket_path
        run_worker(settings, _preload)


def _preload() -> None:
    """What a wake-up imports, and the trusted certificates: once, before the forks."""
    import asyncpg  # noqa: F401, PLC0415
    import obstore.store  # noqa: F401, PLC0415

    from functions.scrape import job  # noqa: PLC0415

    job.tls()


if __name__ == "__main__":
    main()
