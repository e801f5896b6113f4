"""Dashboards: whole, at home in the provisioned Grafana, and naming only what there is. test_queries.py asks."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from observe.vocabulary import NAMES
from tests.observe.expressions import (
    ROOT,
    Expression,
    dashboards,
    labelled,
    of_dashboards,
    panels,
    targets,
    unknown,
    unknown_labels,
)
from tests.observe.test_alloy import component, whole

GRAFANA = ROOT / "observe" / "grafana"
ASKED = {"platform", "job", "functions", "queues", "crawl", "embedding", "search", "edge"}
# What Grafana's model of a dashboard knows, of panels and of their options, as far as ours use it.
PANEL = {
    *("id", "type", "title", "description", "gridPos", "datasource", "targets", "fieldConfig", "options", "links"),
    "transformations",
}
OPTIONS = {
    "timeseries": {"legend", "tooltip"},
    "stat": {"reduceOptions", "colorMode", "graphMode", "textMode"},
    "bargauge": {"reduceOptions", "orientation", "displayMode", "showUnfilled"},
    "table": {"showHeader"},
    "logs": {"showTime", "wrapLogMessage", "sortOrder", "enableLogDetails", "dedupStrategy"},
}
DEFAULTS = {"unit", "min", "noValue", "thresholds", "color", "custom"}
CUSTOM = {"drawStyle", "lineWidth", "fillOpacity", "showPoints", "stacking"}
UNITS = {"short", "bytes", "s", "percentunit", "reqps", "ops", "Bps"}
TARGET = {
    "prometheus": {"expr", "legendFormat", "instant", "range", "exemplar", "format"},
    "loki": {"expr", "queryType"},
    "tempo": {"query", "queryType", "limit", "spss", "tableType"},
}
SOURCES = {
    each["uid"]: each
    for each in yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "datasources.yaml").read_text())[
        "datasources"
    ]
}


def test_those_that_were_asked_for_are_there_and_found_by_address() -> None:
    assert dashboards().keys() >= ASKED
    assert all(board["uid"] == f"sluice-{name}" and "sluice" in board["tags"] for name, board in dashboards().items())


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_every_panel_has_a_place_a_title_and_a_source_that_is_provisioned(name: str) -> None:
    board = dashboards()[name]
    assert Counter(panel["id"] for panel in board["panels"]).most_common(1)[0][1] == 1
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
    for panel in panels(board):
        assert panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert SOURCES[target["datasource"]["uid"]]["type"] == target["datasource"]["type"]


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_grafana_knows_everything_that_a_panel_says(name: str) -> None:
    for panel in panels(dashboards()[name]):
        assert panel.keys() <= PANEL, panel["title"]
        assert panel["options"].keys() == OPTIONS[panel["type"]], panel["title"]
        targets = panel["targets"]
        assert [target["refId"] for target in targets] == ["A", "B", "C"][: len(targets)]
        for target in targets:
            assert target.keys() - {"refId", "datasource"} <= TARGET[target["datasource"]["type"]], panel["title"]
            assert (
                target.get("instant", False) is not target.get("range", False)
                or "query" in target
                or "queryType" in target
            )
        defaults = panel.get("fieldConfig", {"defaults": {}})["defaults"]
        assert defaults.keys() <= DEFAULTS, panel["title"]
        assert defaults.get("custom", {}).keys() <= CUSTOM, panel["title"]
        assert defaults.get("unit", "short") in UNITS, panel["title"]


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_a_number_is_red_only_where_somebody_said_from_when(name: str) -> None:
    """Without thresholds Grafana takes 80 of anything for too much."""
    for panel in panels(dashboards()[name]):
        if panel["type"] in ("stat", "bargauge"):
            defaults = panel["fieldConfig"]["defaults"]
            assert ("thresholds" in defaults) is not (defaults.get("color", {}).get("mode") == "fixed"), panel["title"]
            steps = [step["value"] for step in defaults.get("thresholds", {"steps": [{"value": None}]})["steps"]]
            assert steps[0] is None
            assert steps[1:] == sorted(steps[1:])


@pytest.mark.parametrize("expression", list(of_dashboards()), ids=lambda each: each.where)
def test_a_panel_names_only_metrics_that_there_are(expression: Expression) -> None:
    assert expression.metrics
    assert unknown(expression) == set()
    if expression.metrics != {"ALERTS"}:
        assert unknown_labels(expression) == set()


@pytest.mark.parametrize(("where", "target"), list(targets("prometheus")), ids=lambda each: str(each)[:60])
def test_a_curve_is_named_by_labels_that_it_has(where: str, target: dict[str, Any]) -> None:
    expression = Expression(where, target["expr"])
    has = expression.grouped or set().union(*(labelled().get(name, set()) for name in expression.metrics))
    assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= has


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_every_link_leads_somewhere(name: str) -> None:
    board = dashboards()[name]
    for panel in panels(board):
        urls = re.findall(r'"url": "([^"]*)"', json.dumps(panel))
        for url in urls:
            place, _, question = url.partition("?")
            assert place == "/alerting/list" or place.removeprefix("/d/sluice-") in dashboards(), url
            assert set(re.findall(r"var-(\w+)", question)) <= _variables(place.removeprefix("/d/sluice-")), url


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_alerts_that_fired_are_marked_on_every_curve(name: str) -> None:
    [annotation] = dashboards()[name]["annotations"]["list"]
    assert annotation["datasource"]["uid"] == "prometheus"
    assert Expression("", annotation["expr"]).metrics == {"ALERTS"}


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_every_variable_of_a_query_is_one_of_the_dashboard(name: str) -> None:
    board = dashboards()[name]
    asked = {
        found
        for panel in panels(board)
        for target in panel["targets"]
        for found in re.findall(r"\$\{?(\w+)", target.get("expr") or target["query"])
    }
    assert asked - {"__rate_interval", "__range"} == {each["name"] for each in board["templating"]["list"]}


def test_data_sources_lead_from_one_to_the_next() -> None:
    """Metric to trace, trace to log and profile and metric, log to trace: each to a source that is there."""
    links = dict(_links(list(SOURCES.values())))
    assert links == {
        "prometheus.exemplarTraceIdDestinations": "tempo",
        "loki.derivedFields": "tempo",
        "tempo.tracesToLogsV2": "loki",
        "tempo.tracesToMetrics": "prometheus",
        "tempo.tracesToProfiles": "pyroscope",
        "tempo.serviceMap": "prometheus",
    }
    assert set(links.values()) <= SOURCES.keys()


def _variables(name: str) -> set[str]:
    return {each["name"] for each in dashboards().get(name, {"templating": {"list": []}})["templating"]["list"]}


def questions_to_loki() -> Iterator[str]:
    """Of dashboards, of the link from a span, and of what the runbooks say to ask."""
    yield from (target["expr"] for _, target in targets("loki"))
    yield SOURCES["tempo"]["jsonData"]["tracesToLogsV2"]["query"]
    for page in ("operate.md", "observe.md"):
        yield from re.findall(r"`(\{service_name=[^`]*)`", (ROOT / "docs" / page).read_text())


def test_loki_is_asked_by_labels_and_metadata_that_lines_have() -> None:
    stages = [stage for name in ("apps", "edge") for stage in component(f"loki.process.{name}", whole()).blocks]
    labels, metadata = (
        {name for stage in stages if stage.name == kind for name in stage.attributes["values"]}
        for kind in ("stage.labels", "stage.structured_metadata")
    )
    asked = list(questions_to_loki())
    assert len(asked) >= 5
    for question in asked:
        selector, _, rest = question.partition("}")
        assert set(re.findall(r'(\w+)(?:=~|=|!=)"', selector)) <= labels | {"service_name", "instance"}, question
        assert set(re.findall(r'(\w+)(?:=~|=|!=)"', rest)) <= metadata, question


def test_tempo_is_asked_by_attributes_that_spans_may_have() -> None:
    asked = [target["query"] for _, target in targets("tempo")]
    found = {name for question in asked for name in re.findall(r"span\.([\w.]+)", question)}
    assert found >= {"job.id"}
    assert found <= NAMES


def test_a_log_line_leads_to_its_job() -> None:
    [url] = [each["url"] for each in SOURCES["loki"]["jsonData"]["derivedFields"] if each["matcherRegex"] == "job_id"]
    name, variable = re.fullmatch(r"/d/sluice-(\w+)\?var-(\w+)=\$\$\{__value\.raw\}", url).groups()  # type: ignore[union-attr]
    assert variable in _variables(name)


def _links(sources: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for source in sources:
        for name, value in source.get("jsonData", {}).items():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, dict) and "datasourceUid" in each:
                    yield f"{source['uid']}.{name}", each["datasourceUid"]
