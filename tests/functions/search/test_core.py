from datetime import UTC, datetime

import pytest

from functions.search.core import SearchRequest, read_request
from shared.errors import InvalidInput
from shared.events.event import Json
from shared.store.search import SearchFilter


def test_only_the_query_is_needed() -> None:
    assert read_request({"query": "q"}) == SearchRequest("q", "default", 10, SearchFilter())


def test_everything_that_can_be_asked() -> None:
    asked = read_request(
        {
            "query": "q",
            "corpus": "c",
            "k": 100,
            "filter": {"url_prefix": "https://a/", "language": "de", "title_contains": "T", "since": "2026-01-02"},
        }
    )
    since = datetime(2026, 1, 2, tzinfo=UTC)
    assert asked == SearchRequest("q", "c", 100, SearchFilter("https://a/", "de", "T", since))


def test_a_time_keeps_its_zone() -> None:
    asked = read_request({"query": "q", "filter": {"since": "2026-01-02T03:04:05+02:00"}})
    assert asked.matching.since == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, None),
        ([], None),
        ({}, "query"),
        ({"query": " "}, "query"),
        ({"query": 3}, "query"),
        ({"query": "q" * 8001}, "query"),
        ({"query": "q\0"}, "query"),
        ({"query": "q", "corpus": None}, "corpus"),
        ({"query": "q", "k": 0}, "k"),
        ({"query": "q", "k": 101}, "k"),
        ({"query": "q", "k": True}, "k"),
        ({"query": "q", "k": 2.5}, "k"),
        ({"query": "q", "top": 1}, "top"),
        ({"query": "q", "filter": []}, "filter"),
        ({"query": "q", "filter": {"author": "me"}}, "filter"),
        ({"query": "q", "filter": {"language": 1}}, "filter.language"),
        ({"query": "q", "filter": {"since": "yesterday"}}, "filter.since"),
        ({"query": "q", "filter": {"since": 3}}, "filter.since"),
        ({"query": "q", "filter": {"since": "0001-01-01T00:00:00+23:59"}}, "filter.since"),
    ],
)
def test_what_is_wrong_is_named(body: Json, field: str | None) -> None:
    with pytest.raises(InvalidInput) as error:
        read_request(body)
    assert error.value.field == field
