"""From a trace's spans to the rows of a waterfall, and to where the time went. Pure.

Spans come from anybody: parents that are missing, clocks that disagree and spans that are their own grandparents are
drawn as well as can be.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from typing import Final

from observe.received import Span

# So many alike beside one another, without anything below them, are drawn as one.
FOLD_FROM: Final = 4


@dataclass(frozen=True, slots=True)
class Row:
    """A span, or `count` alike; `busy_ns` is their time together. `depth` is 0 for what nothing is above."""

    depth: int
    span: Span
    start_ns: int
    end_ns: int
    busy_ns: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Share:
    """Of all the time of a trace: while no span was under way that began later than one of this name."""

    name: str
    service: str
    ns: int


def rows(spans: Sequence[Span], *, fold: bool = True) -> list[Row]:
    """Parents before their children, each family in the order of its beginning. Without `fold`, a row a span."""
    gathered = _folded if fold else _apart
    below, tops = _families(spans)
    found: list[Row] = []
    waiting = [(0, family) for family in reversed(gathered(tops, below))]
    while waiting:
        depth, family = waiting.pop()
        found.append(_row(depth, family))
        if len(family) == 1:
            waiting += [(depth + 1, group) for group in reversed(gathered(below.get(family[0].span_id, ()), below))]
    return found


def shares(spans: Sequence[Span]) -> list[Share]:
    """The largest first; all of them together are the time from the first beginning to the last end.

    A moment counts for the span under way that began last, of several for the deepest: where a span waits for another
    one below it, that other one has the time, and what has long gone on for others beside it does not. Moments without
    any are nobody's: `("", "")`.
    """
    begins = deque(sorted(_steps(spans)))
    edges = sorted({edge for span in spans for edge in (span.start_ns, span.end_ns)})
    under_way: list[tuple[int, int, str, Span]] = []
    taken: defaultdict[tuple[str, str], int] = defaultdict(int)
    for edge, following in pairwise(edges):
        while begins and begins[0][0] <= edge:
            _, depth, span_id, span = begins.popleft()
            heappush(under_way, (-span.start_ns, -depth, span_id, span))
        while under_way and under_way[0][3].end_ns <= edge:
            heappop(under_way)
        last = under_way[0][3] if under_way else None
        taken[(last.name, last.service) if last else ("", "")] += following - edge
    found = [Share(name, service, ns) for (name, service), ns in taken.items() if ns]
    return sorted(found, key=lambda share: -share.ns)


def _steps(spans: Sequence[Span]) -> Iterator[tuple[int, int, str, Span]]:
    """Beginning, depth, id, and span."""
    below, tops = _families(spans)
    waiting = [(0, span) for span in tops]
    while waiting:
        depth, span = waiting.pop()
        yield span.start_ns, depth, span.span_id, span
        waiting += [(depth + 1, child) for child in below.get(span.span_id, ())]


def _families(spans: Sequence[Span]) -> tuple[dict[str, list[Span]], list[Span]]:
    """Children by the id of their parent, and those on top: whose parent is not here, and the first of each circle."""
    here = {span.span_id: span for span in spans}
    ordered = sorted(here.values(), key=lambda span: (span.start_ns, -span.end_ns, span.span_id))
    children: defaultdict[str | None, list[Span]] = defaultdict(list)
    for span in ordered:
        children[span.parent_id if span.parent_id in here else None].append(span)
    tops = children.pop(None, [])
    below: dict[str, list[Span]] = {}
    reached: set[str] = set()
    for span in tops:
        _reach(span, children, below, reached)
    for span in ordered:
        if span.span_id not in reached:
            tops.append(span)
            _reach(span, children, below, reached)
    return below, tops


def _reach(
    top: Span, children: Mapping[str | None, list[Span]], below: dict[str, list[Span]], reached: set[str]
) -> None:
    """Notes all that is below `top`, and nothing twice."""
    reached.add(top.span_id)
    waiting = [top]
    while waiting:
        span = waiting.pop()
        fresh = [child for child in children.get(span.span_id, ()) if child.span_id not in reached]
        reached.update(child.span_id for child in fresh)
        if fresh:
            below[span.span_id] = fresh
        waiting += fresh


def _folded(siblings: Sequence[Span], below: Mapping[str, list[Span]]) -> list[list[Span]]:
    """Families of one, and of many that are alike."""
    alike: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in siblings:
        if span.span_id not in below and not span.failed:
            alike[span.name, span.service].append(span)
    many = {key: family for key, family in alike.items() if len(family) >= FOLD_FROM}
    folded = {span.span_id for family in many.values() for span in family}
    families = [*many.values(), *([span] for span in siblings if span.span_id not in folded)]
    return sorted(families, key=lambda family: (family[0].start_ns, -family[0].end_ns, family[0].span_id))


def _apart(siblings: Sequence[Span], _: Mapping[str, list[Span]]) -> list[list[Span]]:
    return [[span] for span in siblings]


def _row(depth: int, family: Sequence[Span]) -> Row:
    return Row(
        depth,
        family[0],
        min(span.start_ns for span in family),
        max(span.end_ns for span in family),
        sum(span.end_ns - span.start_ns for span in family),
        len(family),
    )
