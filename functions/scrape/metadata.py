"""Title, author, date and language of a page, from a tree that is already parsed.

trafilatura's own metadata step doubles the cost of a page: it looks for licences, categories and tags, and searches the
whole text for anything that resembles a date, which is wrong more often than right.
"""

import json
import re
from dataclasses import dataclass

from htmldate import find_date
from lxml.etree import XPath
from lxml.html import HtmlElement
from trafilatura.metadata import examine_meta, extract_meta_json, extract_title

from shared.errors import InvalidInput
from shared.urls import normalise

AUTHOR_CHARS = 120
LANGUAGE_SAMPLE_CHARS = 2000
LANGUAGE_MIN_CHARS = 40
MOST_ROBOTS = 20

_AUTHORS = XPath(
    "(//*[@rel='author' or @itemprop='author' or contains(@class,'author') or contains(@class,'byline')]"
    "[not(self::script or self::style or self::img or self::meta)])[position() <= 12]"
)
_BY = re.compile(r"^(?:(?:written|posted|published|words)\s+)?by[:\s]+", re.IGNORECASE)
_NOT_A_NAME = re.compile(
    r"[\d@{}<>|/]|\b(?:share|follow|read more|comments?|author|posts?|about|published|updated)\b", re.IGNORECASE
)
_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}(?=$|[-_])")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a page says of itself. `date` is ISO 8601; `language` an ISO 639 code."""

    title: str | None = None
    author: str | None = None
    date: str | None = None
    language: str | None = None
    canonical: str | None = None
    robots: str | None = None


def read(tree: HtmlElement, url: str | None, agent: str = "") -> Metadata:
    """Without the language when the page does not state it: see `detect_language`."""
    stated = examine_meta(tree)
    if stated.author and " " not in stated.author:
        stated.author = None
    try:
        stated = extract_meta_json(tree, stated)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        stated = examine_meta(tree)
    return Metadata(
        title=_line(extract_title(tree) or stated.title, 1000),
        author=_line(stated.author or _author(tree), 500),
        date=_line(_date(tree, url), 40),
        language=_stated_language(tree),
        canonical=_canonical(tree, url),
        robots=_robots(tree, agent),
    )


def detect_language(text: str) -> str | None:
    """From the text itself; None when there is too little of it."""
    if len(text) < LANGUAGE_MIN_CHARS:
        return None
    import py3langid  # noqa: PLC0415

    code, _ = py3langid.classify(text[:LANGUAGE_SAMPLE_CHARS])
    return str(code)


def _author(tree: HtmlElement) -> str | None:
    for element in _AUTHORS(tree):
        name = _BY.sub("", " ".join(" ".join(element.itertext()).split()))
        if 2 < len(name) < AUTHOR_CHARS and " " in name and name.count(" ") < 6 and not _NOT_A_NAME.search(name):
            return name
    return None


def _date(tree: HtmlElement, url: str | None) -> str | None:
    try:
        found = find_date(tree, url=url, original_date=True, extensive_search=False)
    except (ValueError, TypeError, OverflowError):
        return None
    return str(found) if found else None


def _stated_language(tree: HtmlElement) -> str | None:
    root = tree.getroottree().getroot()
    found = _LANGUAGE.match((root.get("lang") or root.get("xml:lang") or "").strip())
    return found[0].lower() if found else None


def _canonical(tree: HtmlElement, url: str | None) -> str | None:
    """Noted, never followed: a page can name any other."""
    for link in tree.iterfind(".//link[@href]"):
        if "canonical" in (link.get("rel") or "").lower().split():
            try:
                return normalise(link.get("href"), url)
            except InvalidInput:
                return None
    return None


def _robots(tree: HtmlElement, agent: str) -> str | None:
    names = {"robots", agent.lower()}
    said = [
        _line(meta.get("content"), 200) or ""
        for meta in tree.iterfind(".//meta[@content]")
        if (meta.get("name") or "").strip().lower() in names
    ]
    return "\n".join(said[:MOST_ROBOTS]) or None


def _line(text: str | None, limit: int) -> str | None:
    line = " ".join((text or "").split())
    return line[:limit] or None


def product_page(tree: HtmlElement) -> bool:
    """A product's page holds a shop around it: more text there is not more main text."""
    kind = tree.xpath("string(//head/meta[@property='og:type']/@content)")
    if str(kind).removeprefix("og:") == "product" or tree.xpath(
        "boolean(//*[contains(@itemtype,'schema.org/Product')])"
    ):
        return True
    return any(_states_product(script.text or "") for script in tree.iterfind(".//script[@type='application/ld+json']"))


def _states_product(text: str) -> bool:
    if '"Product' not in text:
        return False
    try:
        found = json.loads(text)
    except ValueError:
        return True
    nodes = found if isinstance(found, list) else found.get("@graph", [found]) if isinstance(found, dict) else []
    kinds = [node.get("@type") for node in nodes if isinstance(node, dict)]
    return any(kind in ("Product", "ProductGroup") for kind in kinds if isinstance(kind, str)) or any(
        "Product" in kind for kind in kinds if isinstance(kind, list)
    )
