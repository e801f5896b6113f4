"""What can never fail is told from what can: held against the evaluation itself."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.broker.filters import compile_trigger
from emulator.lint.possible import passes_everything, skipped
from tests.emulator.broker.test_explain import EVENTS, ITEMS, TEXTS


@settings(max_examples=300, deadline=None)
@given(st.none() | TEXTS, st.lists(ITEMS, max_size=3), st.lists(EVENTS, min_size=1, max_size=5))
def test_what_passes_everything_passes_every_event(attributes: Any, filters: list[Any], events: list[Any]) -> None:
    if passes_everything(attributes, filters):
        wants = compile_trigger(attributes, filters)
        assert all(wants(event) for event in events)


@pytest.mark.parametrize(
    ("filters", "passes", "paths"),
    [
        ([], True, []),
        ([{}], True, ["f[0]"]),
        ([{"exact": {"type": ""}}], True, ["f[0]"]),
        ([{"exact": {"type": ""}}, {"exact": {"type": "x"}}], False, ["f[0]"]),
        ([{"not": {}}], True, ["f[0].not"]),
        ([{"all": []}], True, ["f[0]"]),
        ([{"any": [{"exact": {"type": "x"}}, {"not": {}}]}], True, ["f[0].any[1].not"]),
        ([{"any": [{"not": {}}, {"exact": {"type": "x"}}]}], False, ["f[0].any[0].not"]),
        ([{"not": {"all": [{"prefix": {"type": "x"}}]}}], False, []),
        ([{"cesql": "EXISTS tenant"}], False, []),
        ([{"cesql": "1 < 2 OR FALSE"}], True, []),
        ([{"not": {"cesql": "TRUE"}}], False, []),
    ],
)
def test_items_that_cannot_be_built_are_named(filters: list[Any], passes: bool, paths: list[str]) -> None:
    assert passes_everything({"type": "hidden"} if filters else None, filters) is passes
    assert list(skipped(filters, "f")) == paths
