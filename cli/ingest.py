"""`sluice ingest`: hand URLs in, and watch them become searchable."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from cli import target
from cli.api import JOBS, Api, Body
from cli.failure import CommandFailed
from cli.progress import Watcher, watcher
from cli.text import json_line, plural, seconds

PATIENCE_S = 120.0
FINAL_JOB = frozenset({"completed", "completed_with_errors", "failed", "cancelled"})
GOOD = frozenset({"indexed", "unchanged"})
SOME_FAILED = 3


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "ingest",
        help="fetch pages, or those of a sitemap, and make them searchable",
        epilog="exit code: 0 all indexed or unchanged, 3 some failed, 2 bad usage, 1 no platform or another error",
    )
    parser.add_argument("urls", nargs="*", metavar="URL")
    parser.add_argument("--corpus", metavar="NAME", default="default", help="where they go (default: default)")
    parser.add_argument("--from-file", metavar="FILE", help="more URLs, one a line; # starts a comment; - is stdin")
    parser.add_argument("--sitemap", metavar="URL", help="the pages of a sitemap, or of an index of them")
    parser.add_argument(
        "--include", metavar="PATTERN", action="append", help="of the sitemap: those like /docs/* alone"
    )
    parser.add_argument("--exclude", metavar="PATTERN", action="append", help="of the sitemap: none like *.pdf")
    parser.add_argument("--limit", type=int, metavar="N", help="of the sitemap: so many at most (default: 10000)")
    parser.add_argument("--webhook", metavar="URL", help="is told how the job ended")
    parser.add_argument("--wait", action="store_true", help="until every page has ended (a terminal always watches)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    body = _asked(args)
    api = target.find(args).api()
    accepted = api.post(JOBS, body)
    if not (args.wait or (sys.stderr.isatty() and not args.json)):
        _say_accepted(accepted, args)
        return 0
    return _wait(api, accepted, args)


def _asked(args: argparse.Namespace) -> Body:
    urls = [*args.urls, *(_read(args.from_file) if args.from_file else ())]
    chosen = {name: value for name in ("include", "exclude", "limit") if (value := getattr(args, name)) is not None}
    if args.sitemap and urls:
        raise CommandFailed("give either URLs or a --sitemap", exit_code=2)
    if chosen and not args.sitemap:
        raise CommandFailed("--include, --exclude and --limit are for a --sitemap", exit_code=2)
    if not args.sitemap and not urls:
        raise CommandFailed("no URL given: name some, a file of them with --from-file, or a --sitemap", exit_code=2)
    what: Body = {"sitemap": {"url": args.sitemap, **chosen}} if args.sitemap else {"urls": urls}
    told = {"webhook": {"url": args.webhook}} if args.webhook else {}
    return what | {"corpus": args.corpus} | told


def _read(name: str) -> list[str]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandFailed(f"cannot read {name}: {error.strerror}", exit_code=2) from None
    except UnicodeDecodeError:
        raise CommandFailed(f"{name} is not a UTF-8 text", exit_code=2) from None
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _say_accepted(accepted: Body, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps(accepted))
    else:
        print(f"job {accepted['job_id']} accepted: {plural(accepted['documents'], 'page')}")
        print(f"follow it with: {_look(accepted['job_id'], args)}")


def _wait(api: Api, accepted: Body, args: argparse.Namespace) -> int:
    job_id = accepted["job_id"]
    watching = watcher(sys.stderr, quiet=args.json and not sys.stderr.isatty())
    try:
        job = _watch(api, job_id, watching)
    except KeyboardInterrupt:
        watching.close()
        print(f"\nthe job goes on; follow it with: {_look(job_id, args)}", file=sys.stderr)
        return 130
    documents = list(list_documents(api, job_id))
    if args.json:
        print(json_line(result(job, documents)))
    else:
        _say_result(job, args)
    return 0 if all(document["status"] in GOOD for document in documents) else SOME_FAILED


def _watch(api: Api, job_id: str, watching: Watcher) -> Body:
    job: Body = api.get(f"{JOBS}/{job_id}", patience_s=PATIENCE_S)
    while True:
        watching.progress(job, lambda status: list_documents(api, job_id, status))
        if job["status"] in FINAL_JOB:
            watching.close()
            return job
        job = api.get(f"{JOBS}/{job_id}", {"wait": watching.refresh_s}, patience_s=PATIENCE_S)


def list_documents(api: Api, job_id: str, status: str | None = None) -> list[Body]:
    """All documents of a job, page by page."""
    documents: list[Body] = []
    cursor: str | None = None
    while True:
        query = {"limit": 500, "cursor": cursor, "status": status}
        page = api.get(f"{JOBS}/{job_id}/documents", query, patience_s=PATIENCE_S)
        documents += page["documents"]
        cursor = page["next"]
        if cursor is None:
            return documents


def result(job: Body, documents: list[Body]) -> dict[str, Any]:
    """What `--wait --json` prints."""
    fields = ("url", "status", "stage", "error_code", "error_message", "chunks", "tokens")
    return {
        "job_id": job["job_id"],
        "status": job["status"],
        "seconds": job["seconds"],
        "documents": [{name: document[name] for name in fields} for document in documents],
    }


def _say_result(job: Body, args: argparse.Namespace) -> None:
    counts = ", ".join(f"{count:,} {state}" for state, count in job["counts"].items() if count)
    print(f"{job['status']}: {counts} of {plural(job['documents'], 'page')} in {seconds(job['seconds'])}")
    if job["counts"].get("failed"):
        print(f"what failed, and why: {_look(job['job_id'], args)}", file=sys.stderr)


def _look(job_id: str, args: argparse.Namespace) -> str:
    return f"sluice jobs{target.named(args)} {job_id}"
