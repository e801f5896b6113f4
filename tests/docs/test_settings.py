"""The page of settings names every variable and secret that a process reads, and no other."""

import ast
import re
from collections import defaultdict
from functools import cache

import pytest

from shared.settings import IN_SECRETS
from tests.docs.source import modules, rows, text_of

READERS = ("text", "optional", "integer", "number", "flag", "choice", "networks", "table")
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
# Read under a name of their own, or by a library.
OURS = re.compile(
    r"(SLUICE|AWS|EMBEDDING|PYROSCOPE|OTEL_BSP)_[A-Z_]+|DEPLOYMENT_ENVIRONMENT|SERVICE_VERSION"
    r"|OTEL_(EXPORTER_OTLP_(TRACES_)?ENDPOINT|SDK_DISABLED|TRACES_EXPORTER|TRACES_SAMPLER(_ARG)?)"
)
# Between our own processes, or everybody's.
INTERNAL = {"SLUICE_PARSER_SOCKET", "SLUICE_READY_FD", "HOME"}


@cache
def variables() -> dict[str, list[tuple[str, object]]]:
    """Name -> (module, literal default) of each place that reads it."""
    found: dict[str, list[tuple[str, object]]] = defaultdict(list)
    for module in modules("shared", "functions", "gateway", "emulator", "cli", "observe"):
        for name, call in module.calls():
            variable = text_of(call.args[0]) if call.args else None
            if name in READERS and variable and VARIABLE.fullmatch(variable):
                found[variable].append((module.path, _default(name, call)))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and OURS.fullmatch(node.value):
                found.setdefault(node.value, [])
    return {name: places for name, places in found.items() if name not in INTERNAL and not name.endswith("_")}


def _default(reader: str, call: ast.Call) -> object:
    given = call.args[2:3] if reader == "choice" else call.args[1:2]
    try:
        return ast.literal_eval(given[0]) if given else None
    except ValueError:
        return None


def secrets() -> set[str]:
    calls = (call for module in modules("shared", "functions", "gateway") for call in module.calls())
    asked = {name for method, call in calls if method == "secret" and call.args and (name := text_of(call.args[0]))}
    return asked | set(IN_SECRETS.values())


def listed() -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in rows("settings.md")}


def test_the_page_has_every_variable_and_secret_and_no_other() -> None:
    assert len(listed()) == len(rows("settings.md")), "a variable stands once"
    assert set(listed()) - variables().keys() - secrets() == set(), "no longer in the source"
    assert (variables().keys() | secrets()) - set(listed()) == set(), "not on the page"


@pytest.mark.parametrize("variable", sorted(variables()))
def test_a_variable_s_default_and_readers_are_right(variable: str) -> None:
    said, readers, _ = listed()[variable]
    for path, default in variables()[variable]:
        if isinstance(default, int | float):
            assert str(float(default)) in {str(float(n)) for n in re.findall(r"[\d.]*\d", f"{said} {readers}")}
        elif isinstance(default, str):
            assert said == default
        stage = re.match(r"functions/(\w+)/", path)
        assert stage is None or stage[1] in readers or readers.startswith(("all", "functions", "workers"))
        assert "gateway/" not in path or "gateway" in readers or readers == "all"
