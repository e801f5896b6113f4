"""A function's own counts as Prometheus text, without the client library's import on the cold path."""

import sys
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """Requests by kind and status, refusals by code, seconds by kind."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._requests: Counter[tuple[str, int]] = Counter()
        self._errors: Counter[str] = Counter()
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(_BUCKETS_S) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def answered(self, kind: str, status: int, seconds: float) -> None:
        self._requests[kind, status] += 1
        self._buckets[kind][bisect_left(_BUCKETS_S, seconds)] += 1
        self._seconds[kind] += seconds

    def failed(self, code: str) -> None:
        self._errors[code] += 1

    def text(self, *, in_flight: int, ready: bool) -> bytes:
        """With what the client library has collected, if a stage has loaded it."""
        return "".join(f"{line}\n" for line in self._lines(in_flight, ready)).encode() + _collected_elsewhere()

    def _lines(self, in_flight: int, ready: bool) -> Iterator[str]:
        yield "# TYPE sluice_function_in_flight gauge"
        yield self._sample("in_flight", in_flight)
        yield "# TYPE sluice_function_ready gauge"
        yield self._sample("ready", int(ready))
        yield "# TYPE sluice_function_requests_total counter"
        for (kind, status), count in self._requests.items():
            yield self._sample("requests_total", count, kind=kind, status=status)
        yield "# TYPE sluice_function_errors_total counter"
        for code, count in self._errors.items():
            yield self._sample("errors_total", count, code=code)
        yield "# TYPE sluice_function_seconds histogram"
        for kind in self._buckets:
            yield from self._histogram(kind)

    def _histogram(self, kind: str) -> Iterator[str]:
        counts = list(accumulate(self._buckets[kind]))
        for bound, count in zip((*_BUCKETS_S, "+Inf"), counts, strict=True):
            yield self._sample("seconds_bucket", count, kind=kind, le=bound)
        yield self._sample("seconds_sum", round(self._seconds[kind], 6), kind=kind)
        yield self._sample("seconds_count", counts[-1], kind=kind)

    def _sample(self, name: str, value: float, **labels: object) -> str:
        pairs = ",".join(f'{label}="{text}"' for label, text in {"function": self._function, **labels}.items())
        return f"sluice_function_{name}{{{pairs}}} {value}"


def _collected_elsewhere() -> bytes:
    client = sys.modules.get("prometheus_client")
    return bytes(client.generate_latest()) if client else b""
