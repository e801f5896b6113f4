"""What a robots.txt allows one agent: RFC 9309, read as leniently as the crawlers its authors test against.

Parsing and matching are linear in the size of the file, whatever is in it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_FILE_BYTES = 500 * 1024
MAX_LINE_BYTES = 16 * 1024
MAX_CRAWL_DELAY_S = 300.0

# Names as they are misspelt in the wild.
_AGENT = frozenset({b"user-agent", b"useragent", b"user agent"})
_ALLOW = frozenset({b"allow"})
_DISALLOW = frozenset({b"disallow", b"dissallow", b"dissalow", b"disalow", b"diasllow", b"disallaw"})
_DELAY = frozenset({b"crawl-delay", b"crawldelay"})
_SITEMAP = frozenset({b"sitemap", b"site-map"})

_LINE_END = re.compile(rb"\r\n|\r|\n")
_WITHOUT_COLON = re.compile(rb"(\S+)\s+(\S+)$")
_TOKEN = re.compile(rb"[A-Za-z_-]*")
_ESCAPE = re.compile(rb"%[0-9a-fA-F]{2}|[\x80-\xff]")
_INDEX = re.compile(rb"/index\.html?$")


@dataclass(frozen=True, slots=True)
class Rule:
    """`parts` is the pattern cut at its wildcards; `weight` its length: the longest match decides.

    `written` is the pattern as the file has it.
    """

    weight: int
    allow: bool
    parts: tuple[bytes, ...]
    anchored: bool
    written: bytes

    def __str__(self) -> str:
        return f"{'Allow' if self.allow else 'Disallow'}: {self.written.decode('utf-8', 'replace')}"

    def matches(self, path: bytes) -> bool:
        """Leftmost matches of the parts in turn: enough, because only the last can be held to the end."""
        first, *rest = self.parts
        if not path.startswith(first):
            return False
        at = len(first)
        if not rest:
            return not self.anchored or at == len(path)
        last = rest.pop() if self.anchored else b""
        for part in rest:
            at = path.find(part, at)
            if at < 0:
                return False
            at += len(part)
        return not self.anchored or (len(path) - len(last) >= at and path.endswith(last))


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for one agent, heaviest first, an allowing one before a forbidding one of the same weight."""

    rules: tuple[Rule, ...] = ()
    crawl_delay_s: float | None = None

    def allows(self, path: str) -> bool:
        """`path` with its query, percent-encoded as in the URL."""
        rule = self.deciding(path)
        return rule is None or rule.allow

    def deciding(self, path: str) -> Rule | None:
        """The rule that speaks for the path; None where none does, which allows it."""
        target = _escaped(path.encode("utf-8", "surrogatepass"))
        return next((rule for rule in self.rules if rule.matches(target)), None)


ALLOW_ALL = Rules()
DISALLOW_ALL = Rules((Rule(1, False, (b"/",), False, b"/"),))


def parse(content: bytes, agent: str) -> Rules:
    """The group of `agent` (a product token, compared whole and without case), else the group `*`."""
    wanted = agent.lower().encode()
    named, general = _Group(), _Group()
    current: set[_Group] = set()
    heading = False
    for key, value in _lines(content):
        if key in _AGENT:
            current = current if heading else set()
            heading = True
            token = _token(value)
            if group := {b"*": general, wanted: named}.get(token):
                group.seen = True
                current.add(group)
            continue
        heading = heading and key not in _ALLOW | _DISALLOW
        for group in current:
            group.take(key, value)
    return (named if named.seen else general).rules()


def sitemaps(content: bytes) -> list[str]:
    """The sitemaps that a robots.txt names, for whatever agent, in its order."""
    return [value.decode("utf-8", "replace") for key, value in _lines(content) if key in _SITEMAP and value]


class _Group:
    def __init__(self) -> None:
        self.seen = False
        self._rules: dict[tuple[bytes, bool], None] = {}
        self._delay_s: float | None = None

    def take(self, key: bytes, value: bytes) -> None:
        if key in _ALLOW or key in _DISALLOW:
            if value:
                self._rules[value, key in _ALLOW] = None
        elif key in _DELAY:
            self._delay_s = _seconds(value) or self._delay_s

    def rules(self) -> Rules:
        found = [rule for pattern, allow in self._rules for rule in _rules(pattern, allow)]
        found.sort(key=lambda rule: (-rule.weight, not rule.allow))
        return Rules(tuple(found), self._delay_s)


def _lines(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    content = content[:MAX_FILE_BYTES].removeprefix(b"\xef\xbb\xbf")
    for raw in _LINE_END.split(content):
        line = raw[:MAX_LINE_BYTES].partition(b"#")[0].strip()
        key, colon, value = line.partition(b":")
        if colon:
            yield key.strip().lower(), value.strip()
        elif found := _WITHOUT_COLON.match(line):
            yield found[1].lower(), found[2]


def _token(value: bytes) -> bytes:
    if value[:1] == b"*" and not value[1:2].strip():
        return b"*"
    found = _TOKEN.match(value)
    return found[0].lower() if found else b""


def _rules(pattern: bytes, allow: bool) -> Iterator[Rule]:
    yield _rule(_escaped(pattern), allow, pattern)
    if allow and (index := _INDEX.search(pattern)):
        # Whoever allows a folder's index page allows the folder's own address.
        yield _rule(_escaped(pattern[: index.start() + 1]) + b"$", allow, pattern)


def _rule(pattern: bytes, allow: bool, written: bytes) -> Rule:
    anchored = pattern.endswith(b"$")
    parts = re.sub(rb"\*+", b"*", pattern.removesuffix(b"$")).split(b"*")
    return Rule(len(pattern), allow, tuple(parts), anchored, written)


def _escaped(text: bytes) -> bytes:
    """Percent-escapes in upper case, and what is not ASCII escaped."""
    return _ESCAPE.sub(lambda found: found[0].upper() if len(found[0]) == 3 else b"%%%02X" % found[0][0], text)


def _seconds(value: bytes) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return min(seconds, MAX_CRAWL_DELAY_S) if seconds > 0 else None
