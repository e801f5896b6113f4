"""The process under test: `python -m tests.shared.workqueue.host`."""

import os

from observe import tracing
from shared.settings import Environment
from shared.workqueue.worker import WorkerSettings, run_worker
from tests.shared.workqueue import tasks


def main() -> None:
    tracing.setup("probe-worker", os.environ)
    run_worker(WorkerSettings.read(Environment(os.environ), tasks.QUEUE), lambda: None)


if __name__ == "__main__":
    main()
