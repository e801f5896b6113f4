"""What the stack asks Prometheus for, and the names that there are."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.docs.source import rows
from tests.prometheus import RULES

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "observe" / "grafana" / "dashboards").glob("*.json"))
# Of Prometheus itself and of Alertmanager.
STANDARD = {"up", "ALERTS", "alertmanager_notifications_failed_total"}
_METRIC = re.compile(r"\b(?:sluice|gateway_|process_|alertmanager_|ALERTS\b|up\b)[a-z0-9_:]*")
_SERIES = ("_bucket", "_sum", "_count")
# What a scrape adds to every series, and what a histogram has.
_ALWAYS = {"job", "instance", "le"}
_GROUPING = re.compile(r"\bby *\(([^)]*)\)")


@dataclass(frozen=True)
class Expression:
    """`where` says it to a person: the file, and the rule or panel."""

    where: str
    text: str

    @property
    def metrics(self) -> set[str]:
        """Without what stands in quotes, and of a selector its name alone."""
        plain = re.sub(r'"[^"]*"', '""', self.text)
        return set(_METRIC.findall(re.sub(r"\{[^}]*\}|\b(?:by|on|without|ignoring) *\([^)]*\)", "", plain)))

    @property
    def grouped(self) -> set[str]:
        """The labels that it groups by."""
        return {label.strip() for group in _GROUPING.findall(self.text) for label in group.split(",")}

    @property
    def labels(self) -> set[str]:
        """Those that it groups by or selects."""
        selectors = re.findall(r"\{([^}]*)\}", re.sub(r'"[^"]*"', "", self.text))
        return self.grouped | {label for each in selectors for label in re.findall(r"\w+", each)}


@cache
def rules() -> tuple[dict[str, Any], ...]:
    files = (yaml.safe_load(file.read_text()) for file in RULES)
    return tuple(rule for file in files for group in file["groups"] for rule in group["rules"])


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def of_rules() -> Iterator[Expression]:
    for rule in rules():
        yield Expression(rule.get("record") or f"alert {rule['alert']}", rule["expr"])


@cache
def published() -> frozenset[str]:
    """Every name of the page of metrics, those of a histogram's three parts instead of its own."""
    found = set(STANDARD) | recorded()
    for row in [*rows("metrics.md"), *rows("../observe.md")]:
        if len(row) == 5 and row[1] in ("counter", "gauge", "histogram"):
            found |= {row[0] + part for part in _SERIES} if row[1] == "histogram" else {row[0]}
    return frozenset(found)


@cache
def labelled() -> dict[str, set[str]]:
    """The labels of each metric: as the page of metrics lists them, or as a rule that records it groups."""
    found = {rule["record"]: Expression("", rule["expr"]).grouped - {"le"} for rule in rules() if "record" in rule}
    for row in [*rows("metrics.md"), *rows("../observe.md")]:
        if len(row) == 5 and row[1] in ("counter", "gauge", "histogram"):
            found |= {row[0] + part: set(re.findall(r"`(\w+)`", row[2])) for part in (*_SERIES, "")}
    return found


def unknown(expression: Expression) -> set[str]:
    return {name for name in expression.metrics - published() if not name.startswith("process_")}


def unknown_labels(expression: Expression) -> set[str]:
    """Labels that none of its metrics has."""
    return expression.labels - _ALWAYS - set().union(*(labelled().get(name, set()) for name in expression.metrics))


@cache
def dashboards() -> dict[str, dict[str, Any]]:
    return {file.stem: json.loads(file.read_text()) for file in DASHBOARDS}


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those that show something; rows hold others only while they are folded."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", ())
        else:
            yield panel


def targets(source: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, target) of every query to a data source of this uid."""
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel.get("targets", ()):
                if target["datasource"]["uid"] == source:
                    yield f"{name}: {panel['title']}", target


def of_dashboards() -> Iterator[Expression]:
    for where, target in targets("prometheus"):
        yield Expression(where, target["expr"])


def variables() -> Iterator[tuple[str, str, str]]:
    """(where, metric, label) of every variable whose values Prometheus knows."""
    for name, dashboard in dashboards().items():
        for each in dashboard["templating"]["list"]:
            if each["type"] == "query":
                [(metric, label)] = re.findall(r"label_values\((\w+), (\w+)\)", each["query"]["query"])
                yield f"{name}: {each['name']}", metric, label
