"""Which of a sitemap's pages a job wants. Values in, values out."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shared.contracts.jobs import SitemapOptions
from shared.urls import path_and_query


def wanted(urls: Iterable[str], options: SitemapOptions) -> list[str]:
    """Normalised URLs that match the options' patterns, in order, no more than their limit."""
    found: list[str] = []
    for url in urls:
        if len(found) == options.limit:
            break
        if (not options.include or _any(options.include, url)) and not _any(options.exclude, url):
            found.append(url)
    return found


def _any(patterns: Sequence[str], url: str) -> bool:
    return any(matches(pattern, url) for pattern in patterns)


def matches(pattern: str, url: str) -> bool:
    """`*` is any characters and `?` one. A pattern that begins with a slash speaks of path and query alone."""
    return _fits(_parts(pattern), path_and_query(url) if pattern.startswith("/") else url)


@dataclass(frozen=True, slots=True)
class _Part:
    """What stands between two stars. It fits texts of one length only."""

    regex: re.Pattern[str]
    length: int


@lru_cache(maxsize=1000)
def _parts(pattern: str) -> tuple[_Part, ...]:
    return tuple(
        _Part(re.compile(".".join(map(re.escape, part.split("?"))), re.DOTALL), len(part))
        for part in pattern.split("*")
    )


def _fits(parts: Sequence[_Part], text: str) -> bool:
    """Each part at the first place where it fits, after the one before: no pattern makes this slow."""
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return first.regex.fullmatch(text) is not None
    at, end = first.length, len(text) - last.length
    if first.regex.match(text) is None:
        return False
    for part in parts[1:-1]:
        found = part.regex.search(text, at)
        if found is None:
            return False
        at = found.end()
    return end >= at and last.regex.fullmatch(text, end) is not None
