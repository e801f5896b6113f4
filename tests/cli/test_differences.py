"""Which answers count as the same."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cli.differences import Answer, Difference, differences


def answer(body: Any = None, status: int = 200, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def test_status_and_the_headers_that_matter_count() -> None:
    before = answer(location="/a", date="Monday", content_type="text/plain", ce_id="1", ce_type="made")
    now = answer(status=201, location="/b", date="Tuesday", content_type="text/plain", ce_id="2", ce_type="gone")
    assert differences(before, now) == [
        Difference("status", 200, 201),
        Difference("header ce-type", "made", "gone"),
        Difference("header location", "/a", "/b"),
    ]


def test_json_is_compared_by_its_values() -> None:
    before = answer(b'{"a": 1, "items": [{"price": 1.0}, {"price": 2}], "gone": true}')
    now = answer(b'{"items":[{"price":1.0},{"price":3},{"price":4}],"a":1,"come":null}')
    assert differences(before, now) == [
        Difference("$.items[1].price", 2, 3),
        Difference("$.items[2]", None, {"price": 4}),
        Difference("$.gone", True, None),
        Difference("$.come", None, None),
    ]


def test_true_is_not_one_and_text_is_not_a_number() -> None:
    assert [each.at for each in differences(answer({"a": True, "b": "1"}), answer({"a": 1, "b": 1}))] == ["$.a", "$.b"]


def test_what_is_ignored_is_ignored_with_all_below_it() -> None:
    before, now = answer({"at": 1, "items": [{"id": 1, "x": 1}]}), answer({"at": 2, "items": [{"id": 2, "x": 2}]}, 500)
    assert [each.at for each in differences(before, now, ("$.at", "$.items[*].id", "status"))] == ["$.items[0].x"]
    assert differences(before, now, ("$", "status")) == []


def test_what_was_not_recorded_for_its_secrecy_is_no_difference() -> None:
    before, now = answer({"key": "[redacted]", "text": "a [redacted] b"}), answer({"key": "k", "text": "a secret b"})
    assert differences(before, now) == []
    assert differences(answer(b"x [redacted] y [redacted]"), answer(b"x 1 y 2")) == []
    assert differences(answer(b"x [redacted] y"), answer(b"x 1 z")) == [Difference("body", "x [redacted] y", "x 1 z")]


def test_text_is_compared_by_line_and_bytes_by_length() -> None:
    assert differences(answer(b"one\ntwo\n"), answer(b"one\n2\n")) == [Difference("body", "two", "2")]
    assert differences(answer(b"\xff\x00"), answer(b"\xfe")) == [Difference("body", "2 bytes", "1 other bytes")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_an_answer_is_like_itself(value: Any) -> None:
    assert differences(answer(value), answer(value)) == []


@given(JSON, JSON)
def test_different_values_are_never_taken_for_the_same(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (differences(answer(one), answer(other)) == []) == same
