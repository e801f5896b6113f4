"""`sluice verify`: whether state, outbox, index and object store agree, for operators."""

import argparse
import asyncio
import json
import os
from collections import Counter
from collections.abc import Sequence

from cli import target
from cli.failure import CommandFailed
from cli.platform import OBJECT_STORE
from cli.text import clean, plural
from emulator.services import Services
from shared.objects import ObjectStore
from shared.pipeline.policy import PATIENT
from shared.settings import Environment
from shared.store.store import Store
from shared.verification.findings import Finding
from shared.verification.look import look
from shared.verification.mend import mend

SHOWN = 200


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "verify",
        help="say whether state, index and stored objects agree, and mend what does not",
        description="Looks at a platform while it works. Exit code 0: everything agrees, or was mended.",
        epilog="DATABASE_URL and OBJECT_STORE_URL, set together, name a platform elsewhere.",
    )
    parser.add_argument("--repair", action="store_true", help="mend what does not agree")
    parser.add_argument("--deep", action="store_true", help="also read every stored object and compare every passage")
    parser.add_argument(
        "--patience",
        type=_seconds,
        default=120.0,
        metavar="SECONDS",
        help="what is late by less is not lost (default: 120)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    database_url, object_store_url = _where(args)
    return asyncio.run(_verify(args, database_url, object_store_url))


async def _verify(args: argparse.Namespace, database_url: str, object_store_url: str) -> int:
    objects = ObjectStore.open(object_store_url, os.environ)
    async with await Store.open(database_url, pool_size=1, timeout_s=600) as store:
        now = store.clock.now()
        found = [one async for one in look(store, objects, now, patience_s=args.patience, deep=args.deep)]
        if args.repair:
            await mend(store, found, store.clock.now(), PATIENT)
    mended = [one for one in found if args.repair and one.mend is not None]
    if args.json:
        print(json.dumps({"agrees": not found, "findings": [_as_json(one, repaired=args.repair) for one in found]}))
    else:
        _print(found, repaired=args.repair)
    return 0 if len(mended) == len(found) else 1


def _where(args: argparse.Namespace) -> tuple[str, str]:
    if os.environ.get("DATABASE_URL"):
        env = Environment(os.environ)
        return env.text("DATABASE_URL"), env.text("OBJECT_STORE_URL")
    aim, found = target.running_here(args)
    if found is None:
        raise CommandFailed(
            f"{target.absence(args, aim)}. Start one with `sluice up`, or set DATABASE_URL and OBJECT_STORE_URL"
        )
    return Services.database_of(aim.data_dir), (aim.data_dir / OBJECT_STORE).read_text()


def _as_json(one: Finding, *, repaired: bool) -> dict[str, object]:
    return {
        "check": one.check,
        "subject": str(one.subject),
        "message": one.sentence,
        "mend": one.mend,
        "mended": repaired and one.mend is not None,
    }


def _print(found: Sequence[Finding], *, repaired: bool) -> None:
    for one in found[:SHOWN]:
        what = _outcome(one, repaired=repaired)
        print(f"{one.check:<16} {one.subject}  {clean(one.sentence)}  ({what})")
    if len(found) > SHOWN:
        print(f"... and {len(found) - SHOWN:,} more; --json has all of them")
    if not found:
        print("state, outbox, index and object store agree")
        return
    kinds = ", ".join(f"{count} {check}" for check, count in Counter(one.check for one in found).most_common())
    rest = "" if repaired else "; `sluice verify --repair` mends what can be mended"
    print(f"{plural(len(found), 'thing')} found: {kinds}{rest}")


def _outcome(one: Finding, *, repaired: bool) -> str:
    if one.mend is None:
        return "needs you"
    return f"mended: {one.mend}" if repaired else f"can be mended: {one.mend}"


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError("give a number of seconds, 0 or more")
    return value
