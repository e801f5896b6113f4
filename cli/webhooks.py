"""`sluice webhooks`: what was told to whom, once more, and the secret to verify it with."""

import argparse
import json

from cli import target
from cli.api import Body
from cli.text import clean, plural

WEBHOOKS = "/api/webhooks"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("webhooks", help="list webhook deliveries, send one again, or show the secret")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--job", metavar="JOB_ID", help="those of one job")
    what.add_argument("--redeliver", metavar="DELIVERY_ID", help="send this one once more")
    what.add_argument("--secret", action="store_true", help="what your webhooks are signed with")
    parser.add_argument("--status", choices=("pending", "delivered", "failed"), help="those of this status")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    api = target.find(args).api()
    if args.secret:
        print(api.get(f"{WEBHOOKS}/secret")["secret"])
        return 0
    if args.redeliver:
        deliveries = [api.post(f"{WEBHOOKS}/deliveries/{args.redeliver}/redeliver", {})]
    else:
        deliveries = api.get(f"{WEBHOOKS}/deliveries", {"limit": 50, "job_id": args.job, "status": args.status})[
            "deliveries"
        ]
    if args.json:
        print(json.dumps({"deliveries": deliveries}))
        return 0
    if not deliveries:
        print("no deliveries; a job has them with: sluice ingest --webhook URL")
    for delivery in deliveries:
        print(_line(delivery))
    return 0


def _line(delivery: Body) -> str:
    tries = delivery["attempts"]
    last = f"  {tries[-1]['status'] or clean(tries[-1]['error'])}" if tries else ""
    kind = delivery["type"].removeprefix("dev.sluice.").removesuffix(".v1")
    told = f"{delivery['status']:<9} {kind:<13} {clean(delivery['url'])}"
    return f"{delivery['delivery_id']}  {told}  {plural(len(tries), 'attempt')}{last}"
