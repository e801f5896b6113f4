"""Whatever strangers send, what reads it answers or refuses in its own words."""

from contextlib import suppress

import httpx
from hypothesis import given
from hypothesis.strategies import binary, dictionaries, lists, sampled_from, text

from functions.scrape.body import decode, unpack
from functions.scrape.directives import of_header, of_page
from functions.scrape.extraction import from_html
from functions.scrape.rules import parse
from functions.scrape.rules import sitemaps as named_in_robots
from functions.scrape.sitemaps import parse as parse_sitemap
from shared.errors import InvalidInput, SluiceError, StageFailure
from shared.events.codec import decode as decode_event
from shared.urls import normalise, path_and_query
from tests.fuzz.profile import fuzz

TAGS = sampled_from(
    ["<p>", "</p>", "<div", ">", "<table><tr>", "<!--", "]]>", "&#0;", "&amp", "<title>", "<script>", "\x00", "é"]
)
LINES = sampled_from(
    [b"user-agent:*\n", b"disallow:/*a*$\n", b"allow:/%zz\n", b"\r", b"\xff\xfe", b":", b"#", b"crawl-delay:1e999\n"]
)
SITEMAP = sampled_from(
    [
        b"<urlset>",
        b"<url>",
        b"<loc>",
        b"</loc>",
        b"<!DOCTYPE a [",
        b"<!ENTITY a 'b'>",
        b"&a;",
        b"http://a/",
        b"\x1f\x8b",
    ]
)


@fuzz
@given(lists(TAGS | text(max_size=20), max_size=60))
def test_any_markup_becomes_text_or_a_stage_failure(parts: list[str]) -> None:
    with suppress(StageFailure):
        found = from_html("".join(parts), "http://a.example/", "sluice")
        assert found.text.encode()
        assert "\x00" not in found.text


@fuzz
@given(binary(max_size=400), sampled_from([None, "gzip", "br", "zstd", "deflate", "gzip, br", "x"]), text(max_size=30))
def test_any_body_is_unpacked_and_decoded_or_refused(body: bytes, encoding: str | None, label: str) -> None:
    with suppress(StageFailure):
        decode(unpack(body, encoding), f"text/html; charset={label}")


@fuzz
@given(lists(LINES | binary(max_size=20), max_size=60), text(max_size=30))
def test_any_robots_file_has_an_answer(parts: list[bytes], path: str) -> None:
    content = b"".join(parts)
    rules = parse(content, "sluice")
    assert rules.allows(f"/{path.encode('utf-8', 'replace').decode()}") in (True, False)
    assert rules.crawl_delay_s is None or 0 < rules.crawl_delay_s <= 300
    assert all(isinstance(name, str) for name in named_in_robots(content))


@fuzz
@given(lists(SITEMAP | binary(max_size=20), max_size=60))
def test_any_sitemap_is_read_or_refused(parts: list[bytes]) -> None:
    with suppress(StageFailure):
        parse_sitemap(b"".join(parts))


@fuzz
@given(text(max_size=60), sampled_from(["", "http://", "https://a.example/", "//", "http://[", "http://a.example:"]))
def test_a_normal_url_stays_as_it_is_on_every_road(rest: str, start: str) -> None:
    try:
        url = normalise(start + rest)
    except InvalidInput:
        return
    assert normalise(url) == url
    assert url.isascii()
    with suppress(httpx.InvalidURL):
        assert httpx.URL(url).raw_path.decode() == path_and_query(url)


@fuzz
@given(lists(text(max_size=40), max_size=4))
def test_any_directive_is_one_of_two(lines: list[str]) -> None:
    assert of_header(lines, "sluice") | of_page(lines) <= {"noindex", "noarchive"}


@fuzz
@given(
    dictionaries(sampled_from(["ce-id", "ce-type", "ce-source", "ce-specversion", "content-type", "ce-x"]), text()),
    binary(),
)
def test_any_request_is_an_event_or_invalid(headers: dict[str, str], body: bytes) -> None:
    with suppress(SluiceError):
        decode_event(headers, body)
