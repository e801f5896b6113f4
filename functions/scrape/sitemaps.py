"""What a sitemap lists: pages, or further sitemaps. Runs in the parser process; entities are never expanded."""

import zlib
from dataclasses import dataclass
from xml.parsers import expat

from shared.errors import Permanent
from shared.urls import MAX_URL_CHARS

# The protocol's own bounds, for a file and for an index.
MAX_BYTES = 50 * 1024 * 1024
MAX_ENTRIES = 50_000
MAX_DEPTH = 32
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Sitemap:
    """Addresses as the file has them, in its order. `truncated`: it lists more than a sitemap may."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()
    truncated: bool = False


def parse(content: bytes) -> Sitemap:
    """XML (`urlset` or `sitemapindex`) or plain text, a URL a line. Raises `Permanent` sitemap_invalid."""
    if content.startswith(GZIP):
        content = _unzipped(content)
    if content.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith(b"<"):
        return _Reading().run(content)
    return _lines(content)


def _unzipped(content: bytes) -> bytes:
    try:
        found = zlib.decompressobj(wbits=31).decompress(content, MAX_BYTES + 1)
    except zlib.error:
        raise Permanent("sitemap_invalid", "the sitemap's compressed data is damaged") from None
    if len(found) > MAX_BYTES:
        raise Permanent("sitemap_too_large", f"the sitemap is over the limit of {MAX_BYTES // (1024 * 1024)} MiB")
    return found


def _lines(content: bytes) -> Sitemap:
    lines = [line.strip() for line in content.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    if not lines or not all(line.startswith(("http://", "https://")) for line in lines[:10]):
        raise Permanent("sitemap_invalid", "this is neither an XML sitemap nor a list of URLs")
    return Sitemap(tuple(lines[:MAX_ENTRIES]), truncated=len(lines) > MAX_ENTRIES)


class _Enough(Exception):
    """The file lists more than it may."""


class _Reading:
    """One pass over the file. It holds no tree: only the path to where it is, and what was found."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._text: list[str] | None = None
        self._chars = 0
        self._found: dict[str, list[str]] = {"url": [], "sitemap": []}

    def run(self, content: bytes) -> Sitemap:
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        truncated = False
        try:
            parser.Parse(content, True)
        except _Enough:
            truncated = True
        except (expat.ExpatError, ValueError, LookupError):
            raise Permanent("sitemap_invalid", "the sitemap is not well-formed XML") from None
        return Sitemap(tuple(self._found["url"]), tuple(self._found["sitemap"]), truncated)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if not self._path and local not in ("urlset", "sitemapindex"):
            raise Permanent("sitemap_invalid", "this is XML, but not a sitemap")
        self._path.append(local)
        if len(self._path) > MAX_DEPTH:
            raise Permanent("sitemap_invalid", "the sitemap is nested too deeply")
        if len(self._path) == 3 and local == "loc" and self._path[1] in self._found:
            self._text, self._chars = [], 0

    def _characters(self, text: str) -> None:
        if self._text is not None and self._chars <= MAX_URL_CHARS:
            self._text.append(text[: 2 * MAX_URL_CHARS])
            self._chars += len(text.strip())

    def _end(self, name: str) -> None:
        depth, parent = len(self._path), self._path[1] if len(self._path) > 1 else ""
        self._path.pop()
        if depth != 3 or self._text is None:
            return
        if location := "".join(self._text).strip():
            self._found[parent].append(location)
        self._text = None
        if sum(map(len, self._found.values())) > MAX_ENTRIES:
            self._found[parent].pop()
            raise _Enough


def _refuse_doctype(*declaration: object) -> None:
    raise Permanent("sitemap_invalid", "the sitemap declares a document type, which sitemaps have no use for")
