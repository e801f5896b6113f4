"""A trace as lines of text: spans below one another, their bars on one axis, and where the time went. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cli.text import clean, shorten
from emulator.telemetry.waterfall import Row, Share, rows, shares
from observe.received import Span

NARROWEST_BAR: Final = 12
DEEPEST_INDENT: Final = 12
MOST_SHARES: Final = 10
DURATION: Final = 9


@dataclass(frozen=True, slots=True)
class Line:
    """`mood` says how it may be coloured."""

    text: str
    mood: str = ""


@dataclass(frozen=True, slots=True)
class Paper:
    """How wide it is, and what bars are drawn with."""

    width: int
    full: str = "█"
    faint: str = "─"

    @classmethod
    def of(cls, width: int, encoding: str | None) -> "Paper":
        """Plain signs where the stream knows no others."""
        try:
            "█─".encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return cls(width, "#", "-")
        return cls(width)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Widths; a service or bar of 0 is left out."""

    service: int
    label: int
    bar: int


def drawn(spans: Sequence[Span], paper: Paper, *, most: int = 80) -> list[Line]:
    """The waterfall, an axis on top. Beyond `most` rows the shortest are left out, and told."""
    found = rows(spans)
    shown = _longest(found, most)
    columns = _columns(paper.width, [_label(row) for row in shown], [row.span.service for row in shown])
    begin, end = min(span.start_ns for span in spans), max(span.end_ns for span in spans)
    lines = [_axis(columns, (end - begin) / 1e9)]
    for row in shown:
        lines.append(_line(row, columns, begin, max(1, end - begin), paper))
        if row.span.failed:
            lines += _reason(row, columns, paper.width)
    if len(shown) < len(found):
        lines.append(Line(f"... and {len(found) - len(shown)} shorter ones; --json has all of them"))
    return lines


def spent(spans: Sequence[Span], paper: Paper) -> list[Line]:
    """Where the time went, most of it first."""
    found = shares(spans)
    whole = sum(share.ns for share in found)
    top, rest = found[:MOST_SHARES], found[MOST_SHARES:]
    if rest:
        top.append(Share(f"{len(rest)} others", "", sum(share.ns for share in rest)))
    width = min(40, max((len(_share_name(share)) for share in top), default=0))
    room = max(0, min(30, paper.width - width - 20))
    lines = []
    for share in top:
        part = share.ns / whole
        name = shorten(_share_name(share), width).ljust(width)
        bar = paper.full * round(part * room)
        lines.append(Line(f"  {name} {duration(share.ns):>{DURATION}} {part:>4.0%}  {bar}".rstrip()))
    return lines


def duration(ns: float) -> str:
    """As short as it can be said: 0.21 ms, 45 ms, 2.31 s, 2:05 min."""
    if ns < 9.95e5:
        return f"{ns / 1e6:.2f} ms"
    if ns < 9.995e8:
        return f"{ns / 1e6:.0f} ms"
    seconds = ns / 1e9
    return f"{seconds:.2f} s" if seconds < 59.995 else f"{round(seconds) // 60}:{round(seconds) % 60:02d} min"


def _share_name(share: Share) -> str:
    if not share.name:
        return "(no span of anybody)"
    return clean(f"{share.name} ({share.service})") if share.service else share.name


def _longest(found: Sequence[Row], most: int) -> list[Row]:
    """In their order, with all that failed, and with everything above what is shown."""
    if len(found) <= most:
        return list(found)
    ranked = sorted(range(len(found)), key=lambda at: (not found[at].span.failed, -found[at].busy_ns))
    shown = {at for one in ranked[:most] for at in (one, *_above(found, one))}
    return [found[at] for at in sorted(shown)[: 2 * most]]


def _above(found: Sequence[Row], at: int) -> Iterator[int]:
    depth = found[at].depth
    for before in range(at - 1, -1, -1):
        if found[before].depth < depth:
            depth = found[before].depth
            yield before
        if depth == 0:
            return


def _label(row: Row) -> str:
    indent = "  " * row.depth if row.depth <= DEEPEST_INDENT else "  " * DEEPEST_INDENT + f"({row.depth}) "
    count = f" x{row.count}" if row.count > 1 else ""
    return f"{indent}{clean(row.span.name)}{count}"


def _columns(width: int, labels: Sequence[str], services: Sequence[str]) -> _Columns:
    """The bar takes what labels leave, and gives way last of all."""
    label = min(max(map(len, labels)), max(16, width * 2 // 5))
    service = min(max(len(clean(name)) for name in services), 16)
    bar = width - label - service - DURATION - 4
    if bar < NARROWEST_BAR:
        bar, service = bar + service + 1, 0
    if bar < NARROWEST_BAR:
        label, bar = max(8, width - DURATION - 1), 0
    return _Columns(service, label, bar)


def _axis(columns: _Columns, seconds: float) -> Line:
    if not columns.bar:
        return Line("")
    left, right = "0", duration(seconds * 1e9)
    before = " " * (columns.label + (columns.service + 1 if columns.service else 0) + 1)
    middle = duration(seconds * 5e8).center(columns.bar - len(left) - len(right))
    return Line(f"{before}{left}{middle}{right}", "faint")


def _line(row: Row, columns: _Columns, begin: int, length: int, paper: Paper) -> Line:
    parts = [shorten(_label(row), columns.label).ljust(columns.label)]
    if columns.service:
        parts.append(shorten(clean(row.span.service), columns.service).ljust(columns.service))
    if columns.bar:
        parts.append(_bar(row, columns.bar, begin, length, paper))
    took = f"{duration(row.busy_ns):>{DURATION}}"
    return Line(" ".join([*parts, took]) + (" !" if row.span.failed else ""), "failed" if row.span.failed else "")


def _bar(row: Row, width: int, begin: int, length: int, paper: Paper) -> str:
    """At least one sign long. Many alike are faint where none of them may have been under way."""
    first = min(width - 1, (row.start_ns - begin) * width // length)
    last = max(first + 1, min(width, -((begin - row.end_ns) * width // length)))
    span = last - first
    busy = span if row.count == 1 else max(1, min(span, row.busy_ns * width // length))
    return (" " * first + paper.full * busy + paper.faint * (span - busy)).ljust(width)


def _reason(row: Row, columns: _Columns, width: int) -> list[Line]:
    attributes = row.span.attributes
    said = [attributes.get("error.type"), row.span.message]
    words = ": ".join(clean(str(word)) for word in said if word)
    indent = "  " * min(row.depth + 1, DEEPEST_INDENT)
    return [Line(shorten(f"{indent}! {words}", width), "failed")] if words else []
