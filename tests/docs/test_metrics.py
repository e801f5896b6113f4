"""The page of metrics names every one that a process registers, as it registers it, and no other."""

import json
import re
import subprocess
import sys
from functools import cache

import pytest

from emulator.cold_starts import ColdStarts
from emulator.openfaas.metrics import Invocations
from emulator.telemetry.measures import SpanCounts
from observe.metrics import Registry
from tests.docs.source import rows

Registered = dict[str, tuple[str, list[str]]]

FUNCTIONS = {
    "orchestrator": ["functions.orchestrator.main"],
    "scrape": ["functions.scrape.main", "functions.scrape.alone"],
    "chunk": ["functions.chunk.main"],
    "embed": ["functions.embed.main", "functions.embed.lane"],
    "search": ["functions.search.main"],
    "membership": ["functions.membership.main"],
    "inference": ["functions.inference.main"],
}
WORKERS = {
    "scrape-worker": ["functions.scrape.worker", "functions.scrape.job"],
    "embed-worker": ["functions.embed.worker", "functions.embed.job"],
}
GATEWAY = {"gateway": ["gateway.main", "gateway.app"]}
TELEMETRY = ["observe.export"]
PROCESSES = FUNCTIONS | WORKERS | GATEWAY
# Words of the page for several processes.
MANY = {"functions": list(FUNCTIONS), "workers": list(WORKERS), "all": list(PROCESSES)}

PROGRAM = """
import importlib, json, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
from observe.metrics import REGISTRY
print(json.dumps({i.about.name: (i.kind, i.about.labels) for i in REGISTRY.instruments}))
"""


@cache
def of_process(name: str) -> Registered:
    """What it registers by itself, its own modules loaded and nothing of the others."""
    command = [sys.executable, "-c", PROGRAM, *PROCESSES[name], *TELEMETRY]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return {metric: (kind, labels) for metric, (kind, labels) in json.loads(found.stdout).items()}


def of_emulator() -> Registered:
    registry = Registry()
    Invocations(registry)
    ColdStarts(registry)
    SpanCounts(registry)
    return {each.about.name: (each.kind, list(each.about.labels)) for each in registry.instruments}


def of(name: str) -> Registered:
    return of_emulator() if name == "emulator" else of_process(name)


def listed() -> dict[str, tuple[str, list[str], list[str]]]:
    """Name -> type, labels, processes."""
    return {name: (kind, re.findall(r"`(\w+)`", labels), _processes(where)) for name, kind, labels, where, _ in _rows()}


def _rows() -> list[list[str]]:
    return [[row[0], *row[1:4], row[4].rstrip(" |")] for row in rows("metrics.md")]


def _processes(where: str) -> list[str]:
    words = [re.sub(r" \(platform\)| with telemetry on", "", word) for word in where.split(", ")]
    return [process for word in words for process in MANY.get(word, [word])]


def test_a_metric_stands_once_and_is_called_by_its_unit() -> None:
    names = [row[0] for row in _rows()]
    assert len(names) == len(set(names))
    assert len(names) > 60
    for name, (kind, _, _) in listed().items():
        assert name.startswith(("sluice_", "gateway_")), name
        assert (kind == "counter") == name.endswith("_total") or name == "gateway_function_invocation_started", name
        assert kind != "histogram" or name.endswith(("_seconds", "_ratio", "_texts")), name


@pytest.mark.parametrize("process", [*PROCESSES, "emulator"])
def test_what_a_process_registers_is_on_the_page_as_it_is(process: str) -> None:
    page = listed()
    for name, (kind, labels) in of(process).items():
        assert name in page, f"{name} is not on the page"
        assert (kind, labels) == page[name][:2], name


@pytest.mark.parametrize("process", [*PROCESSES, "emulator"])
def test_what_the_page_says_of_a_process_it_registers(process: str) -> None:
    said = {name for name, (_, _, processes) in listed().items() if process in processes}
    assert said, "the page knows the process"
    assert said - of(process).keys() == set(), "no longer registered"


def test_every_place_that_the_page_names_is_a_process_of_ours() -> None:
    named = {process for _, _, processes in listed().values() for process in processes}
    assert named == {*PROCESSES, "emulator"}
