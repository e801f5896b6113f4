"""`sluice jobs`: what was asked for, and how far it got; called off, or tried again."""

import argparse
import json

from cli import target
from cli.api import JOBS, Api, Body
from cli.failure import CommandFailed
from cli.ingest import list_documents, result
from cli.progress import page_line, summary
from cli.text import json_line, plural, seconds

STAGES = ("scrape", "chunk", "embed")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("jobs", help="list jobs, show one, call it off, or send what failed again")
    parser.add_argument("job_id", nargs="?", metavar="JOB_ID")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--cancel", action="store_true", help="call off what has not ended")
    what.add_argument("--replay", action="store_true", help="send its failed pages again")
    parser.add_argument("--error-code", metavar="CODE", help="with --replay: those alone that failed with this")
    parser.add_argument("--from-stage", choices=STAGES, help="with --replay (default: where each failed)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if (args.replay or args.cancel) and not args.job_id:
        raise CommandFailed("name the job: sluice jobs JOB_ID --replay", exit_code=2)
    chosen = {name: value for name in ("error_code", "from_stage") if (value := getattr(args, name)) is not None}
    if chosen and not args.replay:
        raise CommandFailed("--error-code and --from-stage are for --replay", exit_code=2)
    api = target.find(args).api()
    if args.replay or args.cancel:
        job = api.post(f"{JOBS}/{args.job_id}/{'replay' if args.replay else 'cancel'}", chosen)
        print(json.dumps(job) if args.json else f"{job['status']}: {summary(job)}")
        return 0
    return _show(api, args.job_id, as_json=args.json) if args.job_id else _list(api, as_json=args.json)


def _list(api: Api, *, as_json: bool) -> int:
    jobs = api.get(JOBS, {"limit": 50})["jobs"]
    if as_json:
        print(json.dumps({"jobs": jobs}))
    elif not jobs:
        print("no jobs yet; hand in a URL with: sluice ingest URL")
    for job in () if as_json else jobs:
        print(f"{job['job_id']}  {job['created_at'][:19]}  {job['status']:<21}  {job['corpus']:<16}  {summary(job)}")
    return 0


def _show(api: Api, job_id: str, *, as_json: bool) -> int:
    job = api.get(f"{JOBS}/{job_id}")
    documents = list_documents(api, job_id)
    if as_json:
        print(json_line(result(job, documents)))
        return 0
    print(f"job {job['job_id']}: {job['status']}, corpus {job['corpus']}, {seconds(job['seconds'])}")
    print(summary(job))
    for document in documents:
        print(page_line(document, 240) + _waiting(document))
    return 0


def _waiting(document: Body) -> str:
    why = document.get("waiting")
    tried = f"  ({plural(document['attempt'], 'attempt')})" if document.get("attempt", 0) > 1 else ""
    return (f"  waits: {why}" if why else "") + tried
