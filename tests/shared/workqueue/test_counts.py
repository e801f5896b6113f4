"""What a wake-up counts reaches its worker, however much it is at once."""

import os

from observe.context import TraceContext, entered
from observe.metrics import Registry
from shared.workqueue.counts import Counts
from tests.processes import wait_until

BOUNDS = [n * 0.1234567 for n in range(1, 17)]
SERIES = 250


def test_histograms_with_a_trace_in_every_bucket_arrive_whole() -> None:
    registry = Registry()
    seconds = registry.histogram("sluice_test_seconds", "For the test.", "label", bounds=BOUNDS)
    counts = Counts(registry)
    counts.listen()
    if not (child := os.fork()):
        counts.begin()
        for series in range(SERIES):
            for bound in BOUNDS:
                with entered(TraceContext(f"{series:032x}", "b" * 16)):
                    seconds.observe(bound, f"{series:060}")
        counts.tell(patience_s=5)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    wait_until(lambda: len(list(seconds.samples())) == SERIES)
    assert all(sum(spread.counts) == len(BOUNDS) for _, spread in seconds.samples())
