"""Dashboards: whole, at home in the provisioned Grafana, and naming only what there is. test_queries.py asks."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.observe.expressions import ROOT, Expression, dashboards, of_dashboards, panels, unknown

GRAFANA = ROOT / "observe" / "grafana"
ASKED = {"platform", "job", "functions", "queues", "crawl", "embedding", "search", "edge"}
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


@pytest.mark.parametrize("expression", list(of_dashboards()), ids=lambda each: each.where)
def test_a_panel_names_only_metrics_that_there_are(expression: Expression) -> None:
    assert expression.metrics
    assert unknown(expression) == set()


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


def _links(sources: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for source in sources:
        for name, value in source.get("jsonData", {}).items():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, dict) and "datasourceUid" in each:
                    yield f"{source['uid']}.{name}", each["datasourceUid"]
