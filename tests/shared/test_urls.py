"""One spelling for each page, and clear words for what is not one."""

import json
from collections.abc import Callable

import pytest

from shared.errors import InvalidInput
from shared.urls import MAX_URL_CHARS, href, normalise, origin, path_and_query
from tests import shared_data


def test_every_case_of_the_url_standard_comes_out_as_it_says(record_property: Callable[[str, object], None]) -> None:
    cases = json.loads(shared_data.path("data/urls/normalise.json").read_text())
    wrong = [case["id"] for case in cases if _parsed(case["input"], case["base"]) != case.get("href")]
    record_property("corpus", f"URLs: {len(cases) - len(wrong)}/{len(cases)}")
    assert len(cases) == 223
    assert wrong == []


def _parsed(url: str, base: str | None) -> str | None:
    try:
        return href(url, base)
    except InvalidInput:
        return None


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("HTTP://Example.COM:80/a/../b c?q=ü#part", "http://example.com/b%20c?q=%C3%BC"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("  https://example.com  ", "https://example.com/"),
        ("https://example.com/#", "https://example.com/"),
        ("https://example.com/?", "https://example.com/?"),
    ],
)
def test_spellings_of_one_page_become_one(given: str, normal: str) -> None:
    assert normalise(given) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("no url", "url_invalid"),
        ("http://", "url_invalid"),
        ("//example.com/", "url_invalid"),
        ("http://256.256.256.256/", "url_invalid"),
        ("ftp://example.com/", "url_scheme"),
        ("javascript:alert(1)", "url_scheme"),
        ("https://user:secret@example.com/", "url_credentials"),
        ("https://user@example.com/", "url_credentials"),
        ("http://example.com:0/", "url_port"),
        ("https://example.com/" + "a" * MAX_URL_CHARS, "url_too_long"),
        ("https://example.com/" + "ü" * 1000, "url_too_long"),
    ],
)
def test_what_is_not_fetched_is_refused_with_a_code(url: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        normalise(url)
    assert (refused.value.code, refused.value.field) == (code, "url")
    assert "secret" not in refused.value.message


def test_parts_are_what_is_sent() -> None:
    assert origin("https://example.com:8443/a?b") == "https://example.com:8443"
    assert path_and_query("https://example.com/a/b?c=/d") == "/a/b?c=/d"
    assert path_and_query("https://example.com/x?") == "/x?"
    assert normalise("../up?q#f", "https://example.com/a/b/") == "https://example.com/a/up?q"
