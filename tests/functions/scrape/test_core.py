"""What an answer means."""

import pytest

from functions.scrape.core import Move, Response, Unchanged, form_of, judge, retry_after_s
from shared.errors import Permanent, StageFailure, Transient
from tests.functions.scrape.world import NOON, PAGE


def judged(status: int = 200, body: bytes = PAGE, *, conditional: bool = False, **headers: str) -> object:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    response = Response("http://example.com/", status, fields, body)
    return judge(response, conditional=conditional, now=NOON) or form_of(response)


@pytest.mark.parametrize(
    ("content_type", "form"),
    [
        ("text/html", "html"),
        ("TEXT/HTML; charset=utf-8", "html"),
        ("application/xhtml+xml", "html"),
        ("text/plain;charset=utf-8", "text"),
    ],
)
def test_pages_and_plain_text_are_read(content_type: str, form: str) -> None:
    assert judged(content_type=content_type) == form


@pytest.mark.parametrize(("body", "form"), [(b"  <!doctype html>", "html"), (b"Just words", "text")])
def test_a_page_without_a_type_is_looked_at(body: bytes, form: str) -> None:
    assert judged(body=body) == form


@pytest.mark.parametrize("content_type", ["application/pdf", "image/png", "application/json", "text/css"])
def test_other_types_are_refused(content_type: str) -> None:
    with pytest.raises(Permanent) as refused:
        judged(content_type=content_type)
    assert refused.value.code == "unsupported_content_type"


def test_bytes_without_a_type_are_refused() -> None:
    with pytest.raises(Permanent):
        judged(body=b"\x89PNG\x00\x01\x02")


def test_an_empty_page_has_no_text() -> None:
    with pytest.raises(Permanent) as refused:
        judged(body=b"", content_type="text/html")
    assert refused.value.code == "no_text"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_says_where(status: int) -> None:
    assert judged(status, location="/there") == Move("/there")


def test_not_modified_is_believed_only_when_it_was_asked() -> None:
    assert judged(304, b"", conditional=True) == Unchanged()
    with pytest.raises(Permanent):
        judged(304, b"")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Permanent),
        (401, Permanent),
        (403, Permanent),
        (404, Permanent),
        (410, Permanent),
        (301, Permanent),
        (204, Permanent),
        (408, Transient),
        (429, Transient),
        (500, Transient),
        (503, Transient),
        (599, Transient),
    ],
)
def test_other_statuses_are_failures_of_their_kind(status: int, kind: type[StageFailure]) -> None:
    with pytest.raises(kind) as refused:
        judged(status)
    assert refused.value.code == f"http_{status}"


def test_a_wait_that_was_asked_for_is_passed_on() -> None:
    with pytest.raises(Transient) as refused:
        judged(429, retry_after="120")
    assert refused.value.retry_after_s == 120


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 30 ", 30.0),
        ("99999999999999", 3600.0),
        ("Sat, 21 Nov 2026 12:01:00 GMT", 60.0),
        ("Sat, 21 Nov 2020 12:01:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, NOON) == seconds


def test_a_server_that_forbids_guessing_is_taken_at_its_word() -> None:
    with pytest.raises(Permanent) as refused:
        judged(body=PAGE, x_content_type_options="NoSniff")
    assert refused.value.code == "unsupported_content_type"
    assert judged(body=PAGE, content_type="text/plain", x_content_type_options="nosniff") == "text"
