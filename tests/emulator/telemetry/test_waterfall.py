"""How a trace becomes rows, and where its time is said to have gone."""

import random

from emulator.telemetry.waterfall import Share, rows, shares
from observe.received import Span
from tests.emulator.telemetry.made import SECOND_NS, span


def drawn(*spans: Span) -> list[str]:
    return [f"{'  ' * row.depth}{row.span.name}{f' x{row.count}' if row.count > 1 else ''}" for row in rows(spans)]


def seconds(*spans: Span) -> dict[str, float]:
    return {share.name: share.ns / SECOND_NS for share in shares(spans)}


def test_parents_come_before_their_children_and_the_earlier_before_the_later() -> None:
    document = span("document", 0, 10)
    fetch, parse = span("fetch", 1, 2, parent="document"), span("parse", 3, 1, parent="document")
    robots = span("robots", 1, 1, parent="fetch")
    assert drawn(parse, robots, document, fetch) == ["document", "  fetch", "    robots", "  parse"]


def test_what_has_no_parent_here_stands_on_top() -> None:
    assert drawn(span("fetch", 1, parent="gone"), span("document", 0)) == ["document", "fetch"]


def test_who_is_its_own_ancestor_is_drawn_once() -> None:
    circle = [span("a", 0, parent="c"), span("b", 1, parent="a"), span("c", 2, parent="b"), span("d", 3, parent="d")]
    assert drawn(*circle) == ["a", "  b", "    c", "d"]
    assert seconds(*circle) == {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0}


def test_many_alike_are_one_row_and_failures_keep_their_own() -> None:
    top = span("document", 0, 10)
    queries = [span("SELECT", n, 0.5, named=f"q{n}", parent="document") for n in range(5)]
    failed = span("SELECT", 6, 0.5, named="bad", parent="document", failed=True)
    assert drawn(top, *queries, failed) == ["document", "  SELECT x5", "  SELECT"]
    folded = rows([top, *queries, failed])[1]
    assert folded.busy_ns == 2.5 * SECOND_NS
    assert folded.end_ns - folded.start_ns == 4.5 * SECOND_NS
    assert drawn(top, *queries[:3]) == ["document", *["  SELECT"] * 3]


def test_the_time_belongs_to_the_deepest_span_under_way() -> None:
    document = span("document", 0, 10)
    fetch = span("fetch", 2, 4, parent="document")
    robots = span("robots", 3, 1, parent="fetch")
    assert seconds(document, fetch, robots) == {"document": 6.0, "fetch": 3.0, "robots": 1.0}
    assert shares([document, fetch])[0] == Share("document", "scrape-worker", 6 * SECOND_NS)


def test_of_two_beside_one_another_the_later_one_has_it() -> None:
    assert seconds(span("first", 0, 4), span("second", 2, 4)) == {"first": 2.0, "second": 4.0}


def test_what_goes_on_for_others_does_not_have_it_however_deep_it_lies() -> None:
    """The wake-up that a page caused works for all that wait; its own part of that is another branch."""
    chunked = span("chunked", 1, 1, parent="document")
    wake_up = span("wake-up", 2, 7, parent="chunked")
    embeddings = span("embeddings", 4, 3, parent="document")
    spans = (span("document", 0, 9), chunked, wake_up, embeddings, span("request", 5, 1, parent="wake-up"))
    assert seconds(*spans) == {"document": 1.0, "chunked": 1.0, "wake-up": 4.0, "embeddings": 2.0, "request": 1.0}


def test_time_without_any_span_is_nobody_s() -> None:
    assert seconds(span("a", 0, 1), span("b", 3, 1)) == {"": 2.0, "a": 1.0, "b": 1.0}


def test_nothing_makes_nothing() -> None:
    assert rows([]) == []
    assert shares([]) == []
    assert shares([span("a moment", 0, 0)]) == []


def test_whatever_comes_every_span_is_counted_once_and_all_the_time_is_told() -> None:
    dice = random.Random(7)
    for _ in range(200):
        names = [f"s{n}" for n in range(dice.randint(1, 30))]
        spans = [
            span(name, dice.random() * 9, dice.choice([0, dice.random() * 5]), parent=dice.choice([*names, "gone"]))
            for name in names
        ]
        assert sum(row.count for row in rows(spans)) == len(spans)
        length = max(one.end_ns for one in spans) - min(one.start_ns for one in spans)
        assert sum(share.ns for share in shares(spans)) == length


def test_a_trace_as_large_as_can_be_kept_is_drawn_in_a_moment() -> None:
    """Five thousand, each below the one before: what takes the square of that is a minute."""
    spans = [span("x", n, 5_000 - n, named=f"{n:08}", parent=f"{n - 1:08}") for n in range(5_000)]
    assert len(rows(spans)) == 5_000
    assert shares(spans)[0].ns == 5_000 * SECOND_NS
