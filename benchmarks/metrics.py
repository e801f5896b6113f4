"""What a record costs, and what a scrape costs. Run: python -m benchmarks.metrics

Bounds: 1 µs for a counter or a gauge, 2 µs for a histogram, and 5 ms for the text of a thousand series.
"""

import statistics
import sys
import time
import timeit
from collections.abc import Callable

from observe.context import TraceContext, entered
from observe.exposition import OPEN_METRICS, TEXT, exposition
from observe.metrics import Registry

CALLS = 100_000
ROUNDS = 7
TRACE = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


def nanoseconds(call: Callable[[], object], calls: int = CALLS) -> float:
    """Of processor time, the best of a few rounds."""
    return min(timeit.repeat(call, timer=time.process_time, number=calls, repeat=ROUNDS)) / calls * 1e9


def main() -> int:
    registry = Registry()
    counter = registry.counter("sluice_counted_total", "Counted.", "stage", "outcome")
    gauge = registry.gauge("sluice_in_hand", "In hand.", "stage")
    histogram = registry.histogram("sluice_seconds", "Time.", "stage", "outcome")
    with entered(TRACE):
        exemplified = nanoseconds(lambda: histogram.observe(0.3, "embed", "passed"))
    costs = {
        "counter": (nanoseconds(lambda: counter.inc("scrape", "passed")), 1_000),
        "gauge": (nanoseconds(lambda: gauge.set(3, "scrape")), 1_000),
        "histogram": (nanoseconds(lambda: histogram.observe(0.3, "scrape", "passed")), 2_000),
        "histogram, in a sampled trace": (exemplified, 2_000),
    }
    for n in range(60):
        histogram.observe(0.3, f"stage {n}", "passed")
    for accept in (TEXT, OPEN_METRICS):
        cost = nanoseconds(lambda accept=accept: exposition(accept, registry), 20)  # type: ignore[misc]
        costs[f"a scrape of a thousand series, {accept.partition(';')[0]}"] = (cost, 5_000_000)
    for what, (cost, bound) in costs.items():
        print(f"{what:<70} {cost:>12,.0f} ns   (bound {bound:,})")
    print(f"median of all records: {statistics.median(cost for cost, _ in list(costs.values())[:4]):,.0f} ns")
    return 0 if all(cost <= bound for cost, bound in costs.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
