"""What a sitemap lists, and what it cannot do to us."""

import gzip
import time

import pytest

from functions.scrape.rules import sitemaps as named_in_robots
from functions.scrape.sitemaps import MAX_ENTRIES, Sitemap, parse
from shared.errors import Permanent

HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
PAGES = (
    HEAD + b"<url><loc>\n https://a.example/?x=1&amp;y=2 \n</loc><lastmod>2026-01-01</lastmod>"
    b'<image:image xmlns:image="i"><image:loc>https://a.example/picture.png</image:loc></image:image></url>'
    b"<url><loc><![CDATA[https://a.example/b]]></loc></url></urlset>"
)
FOUND = Sitemap(("https://a.example/?x=1&y=2", "https://a.example/b"))


@pytest.mark.parametrize(
    "content",
    [
        PAGES,
        b"\xef\xbb\xbf" + PAGES,
        gzip.compress(PAGES),
        PAGES.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        PAGES.replace(b"urlset", b"s:urlset").replace(b"xmlns=", b"xmlns:s="),
        b"\xef\xbb\xbfhttps://a.example/?x=1&y=2\r\n\r\n  https://a.example/b\n",
    ],
    ids=["xml", "byte order mark", "gzip", "utf-16", "prefixed", "text"],
)
def test_pages_are_listed_in_their_order(content: bytes) -> None:
    assert parse(content) == FOUND


def test_an_index_lists_sitemaps() -> None:
    index = (
        b"<sitemapindex><sitemap><loc>https://a.example/1.xml.gz</loc></sitemap><url><loc>x</loc></url></sitemapindex>"
    )
    assert parse(index) == Sitemap(("x",), ("https://a.example/1.xml.gz",))


def test_more_than_a_sitemap_may_list_is_left_out_and_said() -> None:
    entry = b"<url><loc>https://a.example/%d</loc></url>"
    full = HEAD + b"".join(entry % number for number in range(MAX_ENTRIES + 1)) + b"</urlset>"
    assert (len(parse(full).pages), parse(full).truncated) == (MAX_ENTRIES, True)
    lines = b"\n".join(b"https://a.example/%d" % number for number in range(MAX_ENTRIES + 1))
    assert (len(parse(lines).pages), parse(lines).truncated) == (MAX_ENTRIES, True)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMBS = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><urlset><url><loc>&l9;</loc></url></urlset>',
    "quadratic": f'<!DOCTYPE x [<!ENTITY a "{"a" * 50_000}">]><urlset><url><loc>{"&a;" * 5000}</loc></url></urlset>',
    "file": '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><urlset><url><loc>&f;</loc></url></urlset>',
    "remote": '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><urlset/>',
    "unknown entity": "<urlset><url><loc>&nothing;</loc></url></urlset>",
    "deep": "<urlset>" + "<a>" * 100_000,
    "cut off": "<urlset><url><loc>https://a.example/",
    "a page": "<html><body>404</body></html>",
    "words": "There is nothing here.",
    "empty": "",
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_what_is_no_sitemap_is_refused_at_once(content: str) -> None:
    started = time.process_time()
    with pytest.raises(Permanent) as refused:
        parse(content.encode())
    assert refused.value.code == "sitemap_invalid"
    assert "passwd" not in refused.value.message
    assert time.process_time() - started < 1.0


def test_what_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(Permanent) as refused:
        parse(gzip.compress(b" " * 60_000_000))
    assert refused.value.code == "sitemap_too_large"
    with pytest.raises(Permanent) as damaged:
        parse(b"\x1f\x8bno")
    assert damaged.value.code == "sitemap_invalid"


def test_an_endless_address_is_not_kept() -> None:
    [address] = parse(HEAD + b"<url><loc>" + b"a" * 10_000_000 + b"</loc></url></urlset>").pages
    assert len(address) < 10_000


def test_a_robots_file_names_sitemaps_for_everybody() -> None:
    content = b"user-agent: a\nSitemap: https://a.example/1.xml\ndisallow: /\nsite-map:/2.xml # mine\nsitemap:\n"
    assert named_in_robots(content) == ["https://a.example/1.xml", "/2.xml"]
