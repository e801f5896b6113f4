"""What Alloy makes of nginx's log: its stages, carried out as its reference describes them, on real lines."""

import json
import re
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from tests.observe.alloy import Block

_CHOICE = re.compile(r"{{ if (.*) }}{{ \.Value }}{{ else }}(.*){{ end }}")


def exposition(lines: Iterable[str], process: Block) -> str:
    """The metrics that a `loki.process` derives, as Alloy tells them."""
    registry = CollectorRegistry()
    made: dict[str, Counter | Histogram] = {}
    for line in lines:
        extracted: dict[str, str] = {}
        labels = {"service_name": "nginx"}
        for stage in process.blocks:
            if stage.name == "stage.metrics":
                for metric in stage.blocks:
                    _record(metric, extracted, labels, made, registry)
            else:
                _transform(stage, line, extracted, labels)
    return generate_latest(registry).decode()


def _transform(stage: Block, line: str, extracted: dict[str, str], labels: dict[str, str]) -> None:
    given = stage.attributes
    if stage.name == "stage.json":
        read = json.loads(line)
        extracted |= {name: str(read[path]) for name, path in given["expressions"].items() if path in read}
    elif stage.name == "stage.regex":
        if found := re.search(given["expression"], extracted[given["source"]]):
            extracted |= {name: text for name, text in found.groupdict().items() if text is not None}
    elif stage.name == "stage.template":
        extracted[given["source"]] = _rendered(given["template"], extracted.get(given["source"], ""))
    elif stage.name == "stage.labels":
        labels |= {name: extracted[source or name] for name, source in given["values"].items()}


def _rendered(template: str, value: str) -> str:
    """Of Go's templates the one form that the configuration has."""
    choice = _CHOICE.fullmatch(template)
    assert choice is not None, template
    allowed = re.findall(r'\(eq \.Value "([^"]*)"\)', choice[1])
    return value if (value in allowed if allowed else value) else choice[2]


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
