"""The counts of the page on Knative are those of the cases that the tests replay."""

import json
import re
from collections.abc import Mapping

from tests import shared_data
from tests.docs.source import PAGES
from tests.emulator.broker import test_filters, test_ingress, test_scenarios
from tests.emulator.cesql import test_tck

_ROW = re.compile(r"^\| ([^|]+) \| (\d+) \| (\d+) \|$", re.MULTILINE)


def counts() -> Mapping[str, tuple[int, int]]:
    text = (PAGES / "knative.md").read_text()
    return {what.partition(":")[0]: (int(cases), int(alike)) for what, cases, alike in _ROW.findall(text)}


def test_every_count_is_that_of_the_recordings() -> None:
    traces = json.loads(shared_data.path("golden/knative/kpa_decisions.json").read_text())
    filters = test_filters.golden()
    of_ingress, of_broker, of_tck = (
        len(each) for each in (test_ingress.recorded(), test_scenarios.recorded(), test_tck.cases())
    )
    of_filters = len(filters["filters"]) * len(filters["events"])
    ticks = sum(len(trace["ticks"]) for trace in traces)
    assert counts() == {
        "Broker ingress": (of_ingress, of_ingress),
        "Broker": (of_broker, of_broker),
        "Trigger filters": (of_filters, of_filters),
        "Autoscaler": (ticks, ticks),
        "CESQL conformance cases": (of_tck, of_tck - len(test_tck.AS_KNATIVE)),
    }
    assert f"ticks of {len(traces)} load traces" in (PAGES / "knative.md").read_text()


def test_what_is_said_to_be_alike_is_replayed_whole() -> None:
    """Every recorded scenario at least with the durable broker, every event with all its Triggers."""
    shared_data.path("golden/knative")
    filters = test_filters.golden()
    assert set(filters["matches"]) == set(filters["events"])
    durable = [case for case in test_scenarios.cases() if case.values[1] == "durable"]
    assert [case.values[0] for case in durable] == test_scenarios.recorded()
