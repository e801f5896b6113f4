"""`sluice cost`: what work took, of a caller, a job or a URL."""

import argparse
import re

from cli import target
from cli.api import JOBS, Api, Body
from cli.counts import between
from cli.failure import CommandFailed
from cli.text import clean, json_line, plural

COSTS = "/api/costs"
_JOB = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UNITS = ("B", "kB", "MB", "GB", "TB")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "cost",
        help="say what work took: tokens, bytes, processor seconds",
        description="Of everything that you had done, or of one job or URL. Failed tries are in it.",
    )
    parser.add_argument("what", nargs="?", metavar="JOB_ID|URL", help="this job, with its pages, or this page")
    parser.add_argument("--by", choices=("corpus", "day", "hour", "caller"), help="tell apart (default: corpus)")
    parser.add_argument("--corpus", metavar="NAME", help="spent on this one alone; with --all, its id")
    parser.add_argument("--since", metavar="TIME", help="from this hour on: 2026-01-31 or 2026-01-31T12:00:00Z")
    parser.add_argument("--before", metavar="TIME", help="until this hour")
    parser.add_argument("--all", action="store_true", help="of all callers; it takes a key with the scope admin")
    parser.add_argument(
        "--top", type=between(1, 10_000), metavar="N", default=20, help="the N dearest pages of a job (default: 20)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    of_one = [name for name in ("by", "corpus", "since", "before", "all") if args.what and getattr(args, name)]
    if of_one:
        raise CommandFailed(f"--{of_one[0]} is for the whole, not for one job or URL", exit_code=2)
    if args.by == "caller" and not args.all:
        raise CommandFailed("--by caller needs --all, and a key that has the scope admin", exit_code=2)
    api = target.find(args).api()
    if args.what is None:
        return _whole(api, args)
    if _JOB.fullmatch(args.what):
        return _job(api, args.what, top=args.top, as_json=args.json)
    return _url(api, args.what, as_json=args.json)


def _whole(api: Api, args: argparse.Namespace) -> int:
    by = args.by or "corpus"
    query = {"by": by, "corpus": args.corpus, "since": _moment(args.since), "before": _moment(args.before)}
    found = api.get(COSTS, query | {"all": "true" if args.all else None})
    if args.json:
        print(json_line(found))
        return 0
    print(f"{'':<{_NAME}}  {HEAD}")
    for group in found["groups"]:
        print(f"{_name(group, by):<{_NAME}}  {line(group['cost'])}")
    print(f"{'total':<{_NAME}}  {line(found['cost'])}")
    if found["more"]:
        print("... and more; --since and --before choose")
    return 0


def _job(api: Api, job_id: str, *, top: int, as_json: bool) -> int:
    path, query = f"{JOBS}/{job_id}/costs", {"limit": 500}
    found = api.get(path, query)
    after = found["next"]
    while after is not None:
        page = api.get(path, query | {"cursor": after})
        found["documents"] += page["documents"]
        after = page["next"]
    if as_json:
        print(json_line(found))
        return 0
    documents = sorted(found["documents"], key=lambda one: one["cost"]["cpu_seconds"], reverse=True)
    print(f"{'':<{_NAME}}  {HEAD}")
    for document in documents[:top]:
        print(f"{_cut(clean(document['url'])):<{_NAME}}  {line(document['cost'])}")
    if len(documents) > top:
        print(f"... and {plural(len(documents) - top, 'page')} that took less processor time; --top shows more")
    print(f"{'total':<{_NAME}}  {line(found['cost'])}")
    return 0


def _url(api: Api, url: str, *, as_json: bool) -> int:
    found = api.get(f"{COSTS}/documents", {"url": url, "limit": 500})
    if as_json:
        print(json_line(found))
        return 0
    if not found["documents"]:
        raise CommandFailed(f"you never handed in {clean(found['url'])}")
    print(f"{'':<{_NAME}}  {HEAD}")
    for document in found["documents"]:
        print(f"{document['job_id'] + ' ' + document['status']:<{_NAME}}  {line(document['cost'])}")
    return 0


_NAME = 46
_COLUMNS = {
    "tries": 7,
    "fetched": 9,
    "text": 9,
    "chunks": 8,
    "indexed": 11,
    "embedded": 11,
    "requests": 9,
    "cpu": 10,
}
HEAD = " ".join(f"{name:>{width}}" for name, width in _COLUMNS.items())


def line(cost: Body) -> str:
    """In the columns of `HEAD`: tokens indexed, and tokens embedded for it."""
    return (
        f"{cost['attempts']:>7,} {size(cost['fetched_bytes']):>9} {size(cost['text_bytes']):>9} {cost['chunks']:>8,}"
        f" {cost['indexed_tokens']:>11,} {cost['embedded_tokens']:>11,} {cost['embed_requests']:>9,.1f}"
        f" {cost['cpu_seconds']:>8,.2f} s"
    )


def size(count: float) -> str:
    """Bytes in thousands: 12.3 MB."""
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} {_UNITS[-1]}"


def _name(group: Body, by: str) -> str:
    if by == "caller":
        return str(group["caller_id"])[:12]
    if by == "corpus":
        return group["corpus"] or "(deleted)"
    return str(group["since"])[: 10 if by == "day" else 16].replace("T", " ")


def _cut(text: str) -> str:
    """Its end: pages of one site begin alike."""
    return text if len(text) <= _NAME else f"…{text[1 - _NAME :]}"


def _moment(text: str | None) -> str | None:
    return f"{text}T00:00:00Z" if text and len(text) == len("2026-01-31") else text
