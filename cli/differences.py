"""What is different between an answer and the one that was recorded. Pure."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

REDACTED = "[redacted]"
MOST_LINES = 40
# What a caller acts on. Others change with every answer, or are the platform's own.
HEADERS = ("allow", "cache-control", "content-language", "content-type", "location", "retry-after", "www-authenticate")
# Of a CloudEvent, all but what no two have alike.
EVENT_OWN = ("ce-id", "ce-time", "ce-traceparent", "ce-tracestate", "ce-signature")
_NOTHING = object()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Difference:
    """`at` is `status`, `header location`, `body` or a path in it such as `$.items[0].price`."""

    at: str
    recorded: Any
    now: Any


def differences(recorded: Answer, now: Answer, ignored: Iterable[str] = ()) -> list[Difference]:
    """`ignored` are places as above; what lies below an ignored path is ignored too, `[*]` stands for every index."""
    found = [Difference("status", recorded.status, now.status)] if recorded.status != now.status else []
    found += _headers(recorded.headers, now.headers)
    found += _bodies(recorded, now)
    skipped = tuple(ignored)
    return [each for each in found if not any(_covers(skip, each.at) for skip in skipped)]


def _headers(recorded: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Difference]:
    ours = {name for name in (*recorded, *now) if name.startswith("ce-") and name not in EVENT_OWN}
    for name in sorted({*HEADERS, *ours}):
        before, after = recorded.get(name), now.get(name)
        if not _same(before, after):
            yield Difference(f"header {name}", before, after)


def _bodies(recorded: Answer, now: Answer) -> Iterator[Difference]:
    before, after = _json(recorded.body), _json(now.body)
    if before is not _NOTHING and after is not _NOTHING:
        yield from _values(before, after, "$")
    elif recorded.body != now.body and not _alike(recorded.body, now.body):
        yield from _texts(recorded.body, now.body)


def _values(before: Any, after: Any, at: str) -> Iterator[Difference]:  # noqa: ANN401 - JSON
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _values(before.get(name, _NOTHING), after.get(name, _NOTHING), f"{at}.{name}")
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            one = before[index] if index < len(before) else _NOTHING
            other = after[index] if index < len(after) else _NOTHING
            yield from _values(one, other, f"{at}[{index}]")
    elif not _same(before, after):
        yield Difference(at, _shown(before), _shown(after))


def _texts(before: bytes, after: bytes) -> Iterator[Difference]:
    try:
        lines = difflib.unified_diff(before.decode().splitlines(), after.decode().splitlines(), lineterm="", n=1)
    except UnicodeDecodeError:
        yield Difference("body", f"{len(before)} bytes", f"{len(after)} other bytes")
        return
    changed = list(lines)[2:]
    gone = "\n".join(line[1:] for line in changed if line[:1] == "-")
    come = "\n".join(line[1:] for line in changed if line[:1] == "+")
    yield Difference("body", gone, come)


def _same(before: Any, after: Any) -> bool:  # noqa: ANN401 - JSON
    if isinstance(before, str) and isinstance(after, str):
        return before == after or _alike(before.encode(), after.encode())
    return type(before) is type(after) and bool(before == after)


def _alike(before: bytes, after: bytes) -> bool:
    """But for what was not recorded because it is secret."""
    first, *rest = before.split(REDACTED.encode())
    if not rest or not after.startswith(first):
        return False
    *middle, last = rest
    at = len(first)
    for piece in middle:
        found = after.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return after.endswith(last) and len(after) - len(last) >= at


def _json(body: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOTHING


def _shown(value: Any) -> Any:  # noqa: ANN401 - JSON
    return None if value is _NOTHING else value


def _covers(skip: str, at: str) -> bool:
    pattern, place = _parts(skip), _parts(at)
    if len(pattern) > len(place):
        return False
    return all(one in (other, "*") for one, other in zip(pattern, place, strict=False))


def _parts(path: str) -> list[str]:
    return path.replace("[", ".").replace("]", "").split(".")
