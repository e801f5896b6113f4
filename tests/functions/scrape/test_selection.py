"""Which of a sitemap's pages a job wants."""

import time

import pytest

from functions.scrape.selection import matches, wanted
from shared.contracts.jobs import SitemapOptions

DOCS = "https://example.org/docs/a?page=1"


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("/docs/*", True),
        ("/docs/a?page=1", True),
        ("/docs/?*", True),
        ("*docs*", True),
        ("https://example.org/*", True),
        ("*page=?", True),
        ("/docs/*/more", False),
        ("/docs", False),
        ("docs/*", False),
        ("*page=", False),
        ("/docs/*a?page=1*1", False),
        ("/docs/.*", False),
        ("/[d]ocs/*", False),
    ],
)
def test_stars_and_question_marks_are_all_there_is_to_a_pattern(pattern: str, fits: bool) -> None:
    assert matches(pattern, DOCS) == fits


def test_what_is_excluded_goes_before_what_is_included() -> None:
    urls = [f"https://example.org/{path}" for path in ("docs/a", "docs/old/b", "blog/c", "docs/d", "docs/e")]
    options = SitemapOptions(limit=2, include=("/docs/*", "/none"), exclude=("/docs/old/*",))
    assert wanted(urls, options) == [urls[0], urls[3]]
    assert wanted(urls, SitemapOptions()) == urls


def test_no_pattern_makes_it_slow() -> None:
    started = time.perf_counter()
    assert not matches("*a" * 150, "https://example.org/" + "a" * 100 + "b" * 1900)
    assert time.perf_counter() - started < 1
