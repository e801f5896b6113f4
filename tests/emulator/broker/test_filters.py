"""Every recorded Trigger against every recorded event."""

import json
from typing import Any

import pytest

from emulator.broker.decode import decode
from emulator.broker.event import TTL
from emulator.broker.filters import compile_trigger
from emulator.broker.ingress import stamp
from tests.emulator.broker.world import START
from tests.shared_data import path


def golden() -> dict[str, Any]:
    try:
        found = json.loads(path("golden/knative/trigger_filters.json").read_text())
    except pytest.skip.Exception:
        return {"events": {}, "filters": {}, "nonboolean": {}}
    assert isinstance(found, dict)
    return found


def visible(name: str) -> dict[str, str]:
    event = decode([(key.encode(), value.encode()) for key, value in golden()["events"][name].items()], b"{}")
    assert event is not None
    stamped = stamp(event, START, 255)
    assert stamped is not None
    return stamped.without(TTL).attributes


@pytest.mark.parametrize("name", golden()["events"])
def test_the_recorded_triggers_match(name: str) -> None:
    event = visible(name)
    matched = [
        trigger
        for trigger, spec in golden()["filters"].items()
        if compile_trigger(spec.get("filter", {}).get("attributes"), spec.get("filters", []))(event)
    ]
    assert sorted(matched) == golden()["matches"][name]["matched"]


@pytest.mark.parametrize("expression", golden()["nonboolean"])
def test_what_is_no_boolean_delivers_nothing(expression: str) -> None:
    assert not compile_trigger(None, [{"cesql": expression}])(visible("ext"))


@pytest.mark.parametrize(
    ("item", "matches"),
    [
        ({"exact": {"type": "com.ex.doc", "tenant": "acme"}}, True),
        ({"exact": {"type": "com.ex.doc", "tenant": "other"}}, False),
        ({"suffix": {"subject": "x"}}, False),
        ({"not": {"prefix": {"subject": "x"}}}, True),
        ({"any": [{"not": {}}, {"exact": {"type": "zzz"}}]}, False),
        ({"all": [{"not": {}}, {"exact": {"type": "com.ex.doc"}}]}, True),
        ({"not": {"all": [{"exact": {"type": "zzz"}}]}}, True),
        ({"not": {"not": {"exact": {"type": "zzz"}}}}, False),
        ({"all": []}, True),
        ({"exact": {"datamediatype": "application/json"}}, True),
        ({"cesql": "flag = TRUE AND size > 10"}, True),
        ({"cesql": "knativearrivaltime LIKE '2026-%'"}, True),
        ({"exact": {"knativebrokerttl": "255"}}, False),
    ],
)
def test_nested_dialects(item: dict[str, Any], matches: bool) -> None:
    path("golden/knative/trigger_filters.json")
    assert compile_trigger(None, [item])(visible("ext")) is matches
