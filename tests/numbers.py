"""Reads what `/metrics` says, with the parsers of Prometheus's own client."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as open_metrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from observe.exposition import exposition

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


@dataclass(frozen=True)
class Numbers:
    """A call adds up the samples of a name that have at least these labels; none: 0."""

    families: list[Metric]

    @property
    def samples(self) -> list[Sample]:
        return [sample for family in self.families for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        return sum(sample.value for sample in self.samples if sample.name == name and _has(sample, labels))

    def labels(self, name: str) -> list[dict[str, str]]:
        return [sample.labels for sample in self.samples if sample.name == name]


def _has(sample: Sample, labels: dict[str, str]) -> bool:
    return labels.items() <= sample.labels.items()


def numbers(text: str) -> Numbers:
    is_open = text.endswith("# EOF\n")
    parse: Callable[[str], object] = (
        open_metrics.text_string_to_metric_families if is_open else text_string_to_metric_families
    )
    return Numbers(list(parse(text)))  # type: ignore[call-overload]


def scraped(url: str, accept: str = "*/*") -> Numbers:
    answer = httpx.get(f"{url}/metrics", headers={"accept": accept}, trust_env=False)
    assert answer.status_code == 200, answer.text
    return numbers(answer.text)


def here() -> Numbers:
    """Of this process."""
    return numbers(exposition().body.decode())


class Since:
    """A call says how much more there is than when this was made: of this process, or of one with an address."""

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self._began_s = time.perf_counter()
        self._before = self._now()

    def __call__(self, name: str, **labels: str) -> float:
        return self._now()(name, **labels) - self._before(name, **labels)

    def in_seconds(self, name: str, *, at_once: int = 1, **labels: str) -> bool:
        """Whether a histogram holds times, and no more than can have passed since: another unit is a thousand off."""
        passed_s = (time.perf_counter() - self._began_s) * at_once
        return 0 < self(f"{name}_sum", **labels) <= passed_s

    def _now(self) -> Numbers:
        return scraped(self._url) if self._url else here()
