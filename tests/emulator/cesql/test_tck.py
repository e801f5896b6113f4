"""The conformance cases of the CESQL specification; the two that Knative's own engine fails are named."""

from typing import Any

import pytest
import yaml

from emulator.cesql import evaluate, parse
from tests.shared_data import path

# Knative's engine casts an integer to a boolean without complaint; the TCK also names a value for the parse error.
AS_KNATIVE = {
    "Invalid int cast": (False, None),
    "Invalid string literal in comparison causes parse error": (None, "parse"),
}
ANY_EVENT = {"specversion": "1.0", "id": "id", "source": "/s", "type": "t"}


class _Loader(yaml.SafeLoader):
    """Leaves timestamps as text."""


def _as_text(_: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    return node.value


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def cases() -> list[Any]:
    try:
        files = sorted(path("golden/knative/cesql_tck").glob("*.yaml"))
    except pytest.skip.Exception:
        return []
    suites = [yaml.load(file.read_text(), Loader=_Loader) for file in files]
    return [pytest.param(case, id=f"{suite['name']}: {case['name']}") for suite in suites for case in suite["tests"]]


def outcome(case: dict[str, Any]) -> tuple[Any, str | None]:
    parsed = parse(str(case["expression"]))
    if parsed.expression is None:
        return None, "parse"
    found = evaluate(parsed.expression, case.get("event") or ANY_EVENT | case.get("eventOverrides", {}))
    return found.value, found.error


@pytest.mark.parametrize("case", cases())
def test_conforms(case: dict[str, Any]) -> None:
    value, error = outcome(case)
    if case["name"] in AS_KNATIVE:
        assert (value, error) == AS_KNATIVE[case["name"]]
        return
    assert error == case.get("error")
    if "result" in case:
        assert type(value) is type(case["result"])
        assert value == case["result"]


def test_all_cases_are_here() -> None:
    path("golden/knative/cesql_tck")
    assert len(cases()) == 275
