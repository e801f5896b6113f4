"""What Alloy counts of nginx's log, on real lines."""

import re
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from tests.observe.alloy import Block
from tests.observe.stages import Entry, carry_out


def exposition(lines: Iterable[str], process: Block) -> str:
    """The metrics that a `loki.process` derives, as Alloy tells them."""
    registry = CollectorRegistry()
    made: dict[str, Counter | Histogram] = {}
    for line in lines:
        entry = Entry(line, {"service_name": "nginx"})
        for stage in process.blocks:
            carry_out(stage, entry)
            for metric in stage.blocks:
                _record(metric, entry.extracted, entry.labels, made, registry)
    return generate_latest(registry).decode()


def _record(
    metric: Block,
    extracted: dict[str, str],
    labels: dict[str, str],
    made: dict[str, Counter | Histogram],
    registry: CollectorRegistry,
) -> None:
    given = metric.attributes
    value = "" if given.get("match_all") else extracted.get(given["source"], "")
    if "value" in given and value != given["value"]:
        return
    name = given["prefix"] + given["name"]
    kind = Counter if metric.name == "metric.counter" else Histogram
    more = {"buckets": given["buckets"]} if kind is Histogram else {}
    if name not in made:
        made[name] = kind(name, given["description"], sorted(labels), registry=registry, **more)
    series = made[name].labels(**labels)
    if isinstance(series, Histogram):
        if re.fullmatch(r"[\d.]+", value):
            series.observe(float(value))
    else:
        series.inc(float(value) if given["action"] == "add" else 1)
