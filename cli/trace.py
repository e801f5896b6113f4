"""`sluice trace`: where the time of a page or a job went, as a waterfall in the terminal."""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from cli import target
from cli.colours import painted
from cli.counts import between
from cli.failure import CommandFailed
from cli.kept import Found, OneJob, OneTrace, absence, asked, circumstances, find
from cli.text import clean, json_line, plural, shorten
from cli.waterfall import Line, Paper, drawn, duration, spent
from emulator.telemetry.kept import KeptTraces
from emulator.telemetry.waterfall import rows, shares
from observe.received import Span

IN_A_PIPE = 100


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "trace",
        help="the waterfall of a page or a job: where its time went",
        description="Shows what `sluice up --observe` has kept of a page, from the request that handed it in to its "
        "vectors, or of a job: the request, and its slowest pages.",
        epilog="example: sluice trace https://example.org/",
    )
    parser.add_argument("what", metavar="JOB|DOCUMENT|URL")
    parser.add_argument(
        "--pages", type=between(1, 1000), metavar="N", default=10, help="of a job: so many at most (default: 10)"
    )
    parser.add_argument(
        "--spans", type=between(1, 1000), metavar="N", default=60, help="so many lines at most (default: 60)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, with every span")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Reads what is kept, so that it also works when the platform is down."""
    wanted = asked(args.what)
    kept = KeptTraces.of(target.find(args).data_dir)
    found = None
    if kept is not None:
        with kept:
            found = find(kept, wanted, args.pages)
            case = None if found else circumstances(args, wanted, kept)
    else:
        case = circumstances(args, wanted, None)
    if found is None:
        assert case is not None
        raise CommandFailed(absence(case))
    if args.json:
        print(json_line(_as_json(found)))
        return 0
    paper = Paper.of(shutil.get_terminal_size((IN_A_PIPE, 24)).columns, sys.stdout.encoding)
    for line in _told(found, paper, args):
        print(painted(line.text, line.mood, sys.stdout))
    return 0


def _told(found: Found, paper: Paper, args: argparse.Namespace) -> Iterator[Line]:
    if isinstance(found, OneTrace):
        yield from _one(found, paper, args.spans)
        if found.others:
            others = ", ".join(other.trace_id for other in found.others[:3])
            more = f" and {len(found.others) - 3} more" if len(found.others) > 3 else ""
            yield Line(f"This is the newest of {len(found.others) + 1} traces of this URL; the others: {others}{more}")
    else:
        yield from _job(found, paper, args.spans)


def _one(found: OneTrace, paper: Paper, most: int, *, from_request: bool = True) -> Iterator[Line]:
    yield from _heading(found, paper)
    yield Line("")
    yield from drawn([*(found.submission if from_request else ()), *found.spans], paper, most=most)
    yield Line("")
    yield Line(f"where the time went, from its first span to its last ({_whole(found.spans)})", "strong")
    yield from spent(found.spans, paper)
    yield Line("")
    yield Line(f"its log lines: sluice logs --trace {found.trace.trace_id}", "faint")


def _heading(found: OneTrace, paper: Paper) -> Iterator[Line]:
    trace = found.trace
    if trace.url:
        yield Line(shorten(clean(trace.url), paper.width), "strong")
    services = len({span.service for span in found.spans})
    size = f"{plural(len(found.spans), 'span')} of {plural(services, 'service')}"
    begun = f"{datetime.fromtimestamp(trace.first_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S}Z"
    kind = "document" if trace.url else "trace"
    yield Line(f"{kind} {trace.trace_id}" + (f", job {clean(trace.job_id)}" if trace.job_id else ""))
    failed = _failure(found)
    yield Line(f"{_end(found)}; {size}, from {begun}", "failed" if failed else "")


def _end(found: OneTrace) -> str:
    root = _life(found)
    if root is None:
        return "not ended yet, or its end has not arrived" if found.trace.url else f"took {_whole(found.spans)}"
    failed = _failure(found)
    if root.attributes.get("error.type") == "cancelled":
        return f"cancelled after {duration(root.end_ns - root.start_ns)}"
    lasted = f"failed after {duration(root.end_ns - root.start_ns)}: {failed}" if failed else f"took {_whole([root])}"
    return f"{lasted}, when it was replayed" if root.name == "replay" else lasted


def _failure(found: OneTrace) -> str:
    root = _life(found)
    if root is None or not root.failed:
        return ""
    return clean(str(root.attributes.get("error.type") or root.message or "it does not say why"))


def _life(found: OneTrace) -> Span | None:
    """Its root, or the last of its replays: what has become of the page."""
    root = _root(found)
    replays = [
        span for span in found.spans if root is not None and (span.name, span.parent_id) == ("replay", root.span_id)
    ]
    return max(replays, key=lambda span: span.end_ns, default=root)


def _root(found: OneTrace) -> Span | None:
    return next((span for span in found.spans if span.name == "document" and span.parent_id is None), None)


def _job(found: OneJob, paper: Paper, most: int) -> Iterator[Line]:
    yield Line(f"job {clean(found.job_id)}: traces of {plural(found.pages, 'page')} are kept", "strong")
    if found.submission:
        yield Line("")
        yield Line(f"the request that handed it in ({_whole(found.submission)})")
        yield from drawn(found.submission, paper, most=most)
    if not found.slowest:
        return
    yield Line("")
    yield Line("its pages, the slowest first")
    longest = max(_took(page) for page in found.slowest) or 1
    for page in found.slowest:
        bar = paper.full * max(1, _took(page) * 20 // longest)
        failed = _failure(page)
        said = f"{duration(_took(page)):>9}  {bar:<20}  {clean(page.trace.url or '')}"
        yield Line(shorten(said + (f"  ! {failed}" if failed else ""), paper.width), "failed" if failed else "")
    if found.pages > len(found.slowest):
        yield Line(
            f"           and {plural(found.pages - len(found.slowest), 'page')} that took less; --pages shows more"
        )
    yield Line("")
    yield Line("the slowest of them")
    yield from _one(found.slowest[0], paper, most, from_request=False)


def _took(page: OneTrace) -> int:
    """To its end, if that is known: a wake-up that began with it goes on for the pages of others."""
    root = _root(page)
    return _length([root] if root else page.spans)


def _length(spans: Sequence[Span]) -> int:
    return max(span.end_ns for span in spans) - min(span.start_ns for span in spans) if spans else 0


def _whole(spans: Sequence[Span]) -> str:
    return duration(_length(spans))


def _as_json(found: Found) -> dict[str, Any]:
    if isinstance(found, OneTrace):
        return {"kind": "trace", **_trace_as_json(found), "others": [other.trace_id for other in found.others]}
    return {
        "kind": "job",
        "job_id": found.job_id,
        "pages": found.pages,
        "submission": _spans_as_json(found.submission),
        "slowest": [_trace_as_json(page) for page in found.slowest],
    }


def _trace_as_json(found: OneTrace) -> dict[str, Any]:
    whole = _length(found.spans) or 1
    return {
        "trace_id": found.trace.trace_id,
        "job_id": found.trace.job_id,
        "url": found.trace.url,
        "began_at": datetime.fromtimestamp(found.trace.first_ns / 1e9, UTC).isoformat(),
        "seconds": _length(found.spans) / 1e9,
        "ended": _life(found) is not None if found.trace.url else True,
        "error": _failure(found) or None,
        "spans": _spans_as_json(found.spans),
        "submission": _spans_as_json(found.submission),
        "time": [
            {"name": one.name, "service": one.service, "seconds": one.ns / 1e9, "share": round(one.ns / whole, 4)}
            for one in shares(found.spans)
        ],
    }


def _spans_as_json(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """In the order of the waterfall; `offset_s` from the first of them."""
    begin = min((span.start_ns for span in spans), default=0)
    return [
        {
            "span_id": row.span.span_id,
            "parent_id": row.span.parent_id,
            "depth": row.depth,
            "name": row.span.name,
            "service": row.span.service,
            "kind": row.span.kind,
            "offset_s": (row.span.start_ns - begin) / 1e9,
            "seconds": row.span.seconds,
            "failed": row.span.failed,
            "message": row.span.message,
            "attributes": row.span.attributes,
            "links": [{"trace_id": link.trace_id, "span_id": link.span_id} for link in row.span.links],
        }
        for row in rows(spans, fold=False)
    ]
