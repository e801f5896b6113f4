"""Request counts and times, and how much work waits, for Prometheus."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """One registry an app, so that two apps in one process do not collide."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "sluice_gateway_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "sluice_gateway_request_seconds", "Time to answer.", ("method", "route"), registry=self._registry
        )

        self._waiting = Gauge(
            "sluice_ready_documents", "Documents that wait for a worker.", ("stage",), registry=self._registry
        )
        self._unlimited = Counter(
            "sluice_gateway_limiter_failures",
            "Requests let in unlimited: Redis gave no answer.",
            registry=self._registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def limiter_failed(self) -> None:
        self._unlimited.inc()

    def text(self, waiting: Mapping[str, int]) -> bytes:
        """`waiting` is documents by stage; none when nobody knows."""
        self._waiting.clear()
        for stage, count in waiting.items():
            self._waiting.labels(stage).set(count)
        return generate_latest(self._registry)
