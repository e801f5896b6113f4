"""The explaining evaluation decides as the fast one does, and names what decided."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.broker.explain import explain
from emulator.broker.filters import compile_trigger
from tests.emulator.broker.test_filters import golden, visible

NAMES = st.sampled_from(["type", "source", "subject", "time", "tenant", "size", "flag", "datamediatype", ""])
VALUES = st.sampled_from(["", "com.ex.doc", "com.", "doc", "/src/a", "acme", "12", "true", "application/json"])
TEXTS = st.dictionaries(NAMES, VALUES, max_size=2)
EXPRESSIONS = st.sampled_from(
    [
        *(
            "type = 'com.ex.doc'",
            "EXISTS tenant",
            "NOT (tenant = 'acme')",
            "flag",
            "size > 10",
            "1 + 1",
            "type IN ('x')",
        ),
        *("broken (", "TRUE", "LEFT(type, 3) = 'com'", "subject LIKE 'docs/%'", "tenant = 'a' OR type = 'com.ex.doc'"),
    ]
)
EVENTS = st.dictionaries(NAMES, VALUES)


def items(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(children, max_size=3)
    return st.one_of(*(st.builds(lambda value, n=name: {n: value}, several) for name in ("all", "any"))) | st.builds(
        lambda value: {"not": value}, children
    )


LEAVES = st.one_of(
    st.just({}),
    st.builds(lambda value: {"cesql": value}, EXPRESSIONS),
    *(st.builds(lambda value, n=name: {n: value}, TEXTS) for name in ("exact", "prefix", "suffix")),
    st.builds(lambda one, other: {"exact": one, "prefix": other}, TEXTS, TEXTS),
)
ITEMS = st.recursive(LEAVES, items, max_leaves=6)


@settings(max_examples=400, deadline=None)
@given(st.none() | TEXTS, st.lists(ITEMS, max_size=3), EVENTS)
def test_both_evaluations_decide_alike(attributes: dict[str, str] | None, filters: list[Any], event: Any) -> None:
    verdict = explain(attributes, filters, event)
    assert verdict.match is compile_trigger(attributes, filters)(event)
    assert verdict.reason.startswith("spec")


@pytest.mark.parametrize("event", golden()["events"])
@pytest.mark.parametrize("name", golden()["filters"])
def test_the_recorded_triggers_are_explained_as_they_were_recorded(name: str, event: str) -> None:
    trigger = golden()["filters"][name]
    verdict = explain(trigger.get("filter", {}).get("attributes"), trigger.get("filters", []), visible(event))
    assert verdict.match is (name in golden()["matches"][event]["matched"])


EVENT = {"specversion": "1.0", "id": "1", "source": "/src/a", "type": "com.ex.doc", "flag": "true"}


@pytest.mark.parametrize(
    ("attributes", "filters", "reason"),
    [
        (None, [], "spec: without a filter every event passes"),
        ({"type": "x"}, [], "spec.filter.attributes.type: type is 'com.ex.doc', not 'x'"),
        ({"tenant": ""}, [], "spec.filter.attributes.tenant: the event has no tenant"),
        ({"type": "com.ex.doc"}, [], "spec.filter.attributes.type: type is 'com.ex.doc'"),
        (None, [{"exact": {"tenant": "a"}}], "spec.filters[0].exact.tenant: the event has no tenant"),
        (
            None,
            [{}, {"prefix": {"type": "org."}}],
            "spec.filters[1].prefix.type: type is 'com.ex.doc', and does not begin with 'org.'",
        ),
        (None, [{"exact": {"type": ""}}], "spec.filters: nothing in it can be built, which lets every event pass"),
        (None, [{"any": [{"suffix": {"type": "doc"}}]}], "spec.filters[0].any[0].suffix.type: type ends with 'doc'"),
        (
            None,
            [{"not": {"exact": {"source": "/src/a"}}}],
            "spec.filters[0].not turns round: spec.filters[0].not.exact.source: source is '/src/a'",
        ),
        (
            None,
            [{"cesql": "type = 'x' OR EXISTS tenant"}],
            "spec.filters[0].cesql: false, for type is 'com.ex.doc', the event has no tenant",
        ),
        (
            None,
            [{"cesql": "tenant = 'acme'"}],
            "spec.filters[0].cesql: the event has no tenant, and an error delivers nothing",
        ),
        (
            None,
            [{"cesql": "flag"}],
            "spec.filters[0].cesql: gives 'true', no boolean, which makes a cluster answer 500",
        ),
    ],
)
def test_the_reason_names_what_decided(attributes: Any, filters: list[Any], reason: str) -> None:
    assert explain(attributes, filters, EVENT).reason == reason
