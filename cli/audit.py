"""`sluice audit`: who did what."""

import argparse
import time
from collections.abc import Iterator

from cli import target
from cli.api import Api, Body
from cli.text import clean, json_line

POLL_S = 1.0
FILTERS = {
    "caller": "of one caller id",
    "action": "one action, or all of a kind: job.",
    "subject": "what it was done to: a job, a corpus, a key",
    "request-id": "of one request",
    "since": "from a time on: 2026-01-31 or 2026-01-31T12:00:00Z",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("audit", help="say who did what")
    for name, meaning in FILTERS.items():
        parser.add_argument(f"--{name}", metavar="TEXT", help=meaning)
    parser.add_argument("--limit", "-n", type=int, metavar="N", default=100, help="how many at most (default: 100)")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what is done from now on")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    for entry in entries(target.find(args).api(), args):
        print(json_line(entry) if args.json else line(entry), flush=True)
    return 0


def entries(api: Api, args: argparse.Namespace) -> Iterator[Body]:
    query = {name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in FILTERS}
    if args.since and len(args.since) == len("2026-01-31"):
        query["since"] = f"{args.since}T00:00:00Z"
    query = {"caller_id" if name == "caller" else name: value for name, value in query.items()}
    page = api.get("/api/audit", {**query, "limit": args.limit})
    yield from page["entries"]
    while args.follow:
        time.sleep(POLL_S)
        page = api.get("/api/audit", {**query, "limit": 1000, "after": page["last"] or 0}, patience_s=60)
        yield from page["entries"]


def line(entry: Body) -> str:
    detail = " ".join(f"{name}={json_line(value)}" for name, value in entry["detail"].items())
    parts = (entry["at"][:19], entry["caller_id"][:12], f"{entry['action']:<14}", entry["subject"] or "-", detail)
    return clean("  ".join(parts).rstrip())
