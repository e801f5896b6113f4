"""`sluice fault`: trouble on purpose for the functions of a running platform, and off again."""

import argparse
import json
import re
from typing import Any
from urllib.parse import quote

from cli import control, target
from cli.failure import CommandFailed

KINDS = {
    "kill": "kills the replica that gets the request",
    "delay": "holds the request back",
    "duplicate": "delivers it twice",
    "drop": "loses it: a caller gets 502, an event is gone",
    "reorder": "holds it back until the next one has passed",
    "5xx": "answers in the function's place with --status",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "fault",
        help="make calls and events of a running platform fail, and stop doing so",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Hits a share of a function's calls and events, until called off or the platform ends.\n\n"
        + "\n".join(f"  {kind:<10} {what}" for kind, what in KINDS.items()),
        epilog="example: sluice fault drop scrape --rate 10% --seed 7; sluice fault off",
    )
    parser.add_argument("what", metavar="KIND|list|off", choices=[*KINDS, "list", "off"], help="|".join(KINDS))
    parser.add_argument(
        "of", nargs="?", metavar="FUNCTION|ID", help="the function ('*': all of them); for off, one fault (else all)"
    )
    parser.add_argument("--rate", type=_rate, metavar="SHARE", help="such as 0.1 or 10%% (default: all)")
    parser.add_argument("--via", choices=("all", "calls", "events"), help="only calls, or only events (default: all)")
    parser.add_argument("--status", type=int, metavar="5xx", help="what 5xx answers (default: 503)")
    parser.add_argument(
        "--delay", type=_milliseconds, metavar="TIME", help="such as 250ms or 2s (default: 1s; for kill, at once)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed hits the same requests (default: 0)")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.what in KINDS and args.of is None:
        raise CommandFailed("say which function, or '*' for all of them", exit_code=2)
    if args.what == "list" and args.of is not None:
        raise CommandFailed("list takes no function", exit_code=2)
    platform = control.find(args)
    if args.what == "list":
        return _show(args, platform.call("GET", "/system/faults"))
    if args.what == "off":
        query = f"?id={quote(args.of)}" if args.of else ""
        ended = platform.call("DELETE", f"/system/faults{query}")
        print(json.dumps(ended) if args.json else f"off: {', '.join(ended['off']) or 'none was on'}")
        return 0
    given = {"rate": args.rate, "via": args.via, "status": args.status, "delay_ms": args.delay, "seed": args.seed}
    asked = {
        "kind": args.what,
        "function": args.of,
        **{key: value for key, value in given.items() if value is not None},
    }
    made = platform.call("POST", "/system/faults", asked)
    print(json.dumps(made) if args.json else f"{in_words(made)}\nstop it with: sluice fault off {made['id']}")
    return 0


def in_words(fault: dict[str, Any]) -> str:
    """One line of what it does and how often it has."""
    kind, of = fault["kind"], "all functions" if fault["function"] == "*" else fault["function"]
    what = str(fault["status"]) if kind == "5xx" else kind
    waits = kind in ("delay", "reorder") or (kind == "kill" and fault["delay_ms"])
    after = f" {fault['delay_ms']} ms" if waits else ""
    via = "" if fault["via"] == "all" else f" {fault['via']}"
    hit = f"hit {fault['hits']} of {fault['seen']}"
    return f"{fault['id']}: {what}{after} {fault['rate'] * 100:g} % of{via} {of}, {hit}"


def _show(args: argparse.Namespace, faults: list[dict[str, Any]]) -> int:
    if args.json:
        print(json.dumps(faults))
    else:
        print("\n".join(in_words(fault) for fault in faults) or "no fault is on")
    return 0


def _rate(text: str) -> float:
    try:
        rate = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1:
        raise argparse.ArgumentTypeError("a share is above 0 and at most 1, or 100%")
    return rate


def _milliseconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)?", text)
    if found is None:
        raise argparse.ArgumentTypeError("a time is a number with ms, s or m")
    return round(float(found[1]) * {"ms": 1, "s": 1000, "m": 60_000}[found[2] or "s"])
