"""The main text of a page. Runs in the parser process, where a hostile page can do no harm."""

import re
import unicodedata
from copy import copy
from dataclasses import asdict

from lxml import etree
from lxml.html import HtmlElement
from trafilatura import bare_extraction
from trafilatura.utils import load_html

from functions.scrape.frames import Text
from functions.scrape.metadata import Metadata, detect_language, product_page, read
from shared.errors import Permanent

# Below this share of the page's visible main region, trafilatura has mistaken a part for the whole. Measured on the
# evaluation pages: mean F1 .806 without the rule, .841 with it, above .83 for shares from .35 to .6.
ENOUGH_SHARE = 0.45
REGION_SHARE = 0.5
FEW_CHARS = 200

_FURNITURE = frozenset(
    {"nav", "header", "footer", "aside", "form", "button", "select", "option", "iframe", "textarea", "input", "canvas"}
    | {"video", "audio", "dialog", "noscript"}
)
_INVISIBLE = (etree.Comment, etree.ProcessingInstruction, "script", "style", "template", "svg", "head")
_BLOCKS = frozenset(
    {
        "p",
        "div",
        "li",
        "tr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "br",
        "section",
        "article",
        "ul",
        "ol",
        "dl",
        "dd",
        "dt",
    }
    | {"table", "pre", "blockquote", "main", "figure", "figcaption"}
)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_UNSEEN = re.compile(r"<(script|style|template|svg|head|noscript)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_MARKUP = re.compile(r"<[^>]{0,10000}>")
_BREAK = "\u2028"


def from_html(html: str, url: str | None = None, agent: str = "") -> Text:
    """Raises `Permanent` no_text when nothing on the page can be read."""
    tree = load_html(html) if html.strip() else None
    if tree is None:
        return from_text(_without_tags(html))
    about = read(tree, url, agent)
    return _extracted(_best_text(tree, url) or _without_tags(html), about)


def from_text(text: str) -> Text:
    """Plain text passes as it is."""
    return _extracted(text.strip(), Metadata())


def _extracted(text: str, about: Metadata) -> Text:
    text = _storable(text)
    if not text:
        raise Permanent("no_text", "the page holds no text to index")
    fields = {name: _storable(value) or None for name, value in asdict(about).items() if value}
    if "language" not in fields and (language := detect_language(text)):
        fields["language"] = language
    return Text(text=text, **fields)


def _best_text(tree: HtmlElement, url: str | None) -> str:
    """trafilatura's text, unless it is a small part of what the main region shows."""
    document = bare_extraction(tree, url=url, include_comments=False)
    text = str(getattr(document, "text", None) or "")
    region = _main_region(tree)
    if len(text) >= ENOUGH_SHARE * _length(region) and len(text) >= FEW_CHARS:
        return text
    if text and product_page(tree):
        return text
    shown = _lines(region)
    if len(shown) < FEW_CHARS:
        shown = max(shown, _lines(_visible(tree)), key=len)
    return shown if len(text) < ENOUGH_SHARE * len(shown) else text


def _main_region(tree: HtmlElement) -> HtmlElement:
    """The body without its furniture, or its `main` where that holds most of it. A copy: the tree stays as it is."""
    body = _visible(tree, *_FURNITURE)
    mains = body.xpath("//main | //*[@role='main']")
    if not mains:
        return body
    main = max(mains, key=_length)
    return main if _length(main) >= REGION_SHARE * _length(body) else body


def _visible(tree: HtmlElement, *furniture: str) -> HtmlElement:
    visible = copy(tree)
    etree.strip_elements(visible, *_INVISIBLE, *furniture, with_tail=False)
    return visible


def _length(element: HtmlElement) -> int:
    return len(" ".join("".join(element.itertext()).split()))


def _lines(region: HtmlElement) -> str:
    """Its text, a line a block. Changes the region."""
    for element in region.iter(*_BLOCKS):
        # lxml reads control characters that are written as references, but refuses to be given them back.
        element.text = _BREAK + _UNPRINTABLE.sub("", element.text or "")
        element.tail = _BREAK + _UNPRINTABLE.sub("", element.tail or "")
    lines = (" ".join(line.split()) for line in "".join(region.itertext()).split(_BREAK))
    return "\n".join(line for line in lines if line)


def _without_tags(html: str) -> str:
    """For what no parser takes for a page, or takes for one too deep to follow."""
    return _MARKUP.sub(" ", _UNSEEN.sub(" ", html))


def _storable(text: str) -> str:
    """Without what neither UTF-8 nor Postgres can hold, in the normal form C."""
    return unicodedata.normalize("NFC", _UNPRINTABLE.sub("", text)).strip()
