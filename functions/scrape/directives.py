"""What a page asks of those who index: `noindex` and `noarchive`, in its markup or in the header X-Robots-Tag."""

import re
from collections.abc import Iterable

from shared.errors import Permanent

# Asked for in one word: `none` is noindex and nofollow; a search that shows text is an archive of it.
_MEANINGS = {"noindex": "noindex", "none": "noindex", "noarchive": "noarchive", "nocache": "noarchive"}
_NAMED = re.compile(r"\s*([A-Za-z_-]+)\s*:(.*)", re.DOTALL)
# Words of the header that hold a colon themselves, so that they are not taken for the name of a crawler.
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def of_page(contents: Iterable[str]) -> frozenset[str]:
    """Of the `content` of each `meta` element that speaks to us or to all."""
    return frozenset(_MEANINGS[word] for content in contents for word in _words(content) if word in _MEANINGS)


def of_header(lines: Iterable[str], agent: str) -> frozenset[str]:
    """Of each line of X-Robots-Tag: one that begins with another crawler's name is not for us."""
    return of_page(rest for line in lines if (rest := _ours(line, agent)) is not None)


def check(directives: frozenset[str]) -> None:
    """Raises `Permanent` page_noindex or page_noarchive."""
    if "noindex" in directives:
        raise Permanent("page_noindex", "the page asks not to be indexed")
    if "noarchive" in directives:
        raise Permanent("page_noarchive", "the page asks that no copy of it is kept, and a search would show one")


def _words(content: str) -> list[str]:
    return [word.strip().lower() for word in re.split(r"[,;\s]+", content)]


def _ours(line: str, agent: str) -> str | None:
    found = _NAMED.match(line)
    if found is None or found[1].lower() in _VALUED:
        return line
    return found[2] if found[1].lower() in (agent.lower(), "*") else None
