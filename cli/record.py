"""`sluice record`: keep the calls and events of a running platform on disk, without what is secret in them."""

import argparse
import json
from typing import Any

from cli import control, recordings, target
from cli.failure import CommandFailed
from cli.text import clean, plural, shorten

ACTIONS = ("start", "stop", "status", "list", "show", "remove")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "record",
        help="keep the calls and events of a run, to be played again",
        description="Keeps what functions are sent and what they answer, from start to stop. Left out are secret "
        "headers, values under names such as password or api_key, and every secret the platform knows.",
        epilog="example: sluice record start; … ; sluice record stop; sluice record list; sluice replay",
    )
    parser.add_argument("action", choices=ACTIONS, metavar="|".join(ACTIONS))
    parser.add_argument("name", nargs="?", metavar="NAME", help="the recording (start: its name; else the newest)")
    parser.add_argument("--function", action="append", metavar="NAME", help="this function alone; may be repeated")
    parser.add_argument("--only", type=int, metavar="N", help="show: this one, in full")
    parser.add_argument("--max-mb", type=int, metavar="MB", help="start: stop keeping at this size (default: 64)")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.action in ("start", "stop", "status"):
        return _control(args)
    data_dir = target.find(args).data_dir
    if args.action == "list":
        return _list(args, recordings.of(data_dir))
    recording = recordings.named(data_dir, args.name)
    if args.action == "remove":
        if args.name is None:
            raise CommandFailed("say which recording to remove", exit_code=2)
        recording.path.unlink()
        print(f"removed {recording.name}")
        return 0
    return _show(args, recording)


def _control(args: argparse.Namespace) -> int:
    platform = control.find(args)
    if args.action == "start":
        given = {"name": args.name, "functions": args.function, "max_mb": args.max_mb}
        asked = {key: value for key, value in given.items() if value is not None}
        state = platform.call("POST", "/system/recording", asked)
    else:
        state = platform.call("DELETE" if args.action == "stop" else "GET", "/system/recording")
    if args.json:
        print(json.dumps(state))
    elif args.action == "stop":
        print(f"stopped: {in_words(state)}" if state["recording"] else "nothing was being recorded")
    else:
        print(in_words(state))
    return 0


def in_words(state: dict[str, Any]) -> str:
    if not state["recording"]:
        return "nothing is being recorded"
    of = f" of {', '.join(state['functions'])}" if state["functions"] else ""
    left = f", {state['left_out']:,} left out" if state["left_out"] else ""
    trouble = f" ({state['trouble'] or 'it is full'})" if state["left_out"] else ""
    count = plural(state["count"], "exchange")
    return f"recording {state['name']}: {count}{of}, {state['bytes'] / 1e6:.1f} MB{left}{trouble}"


def _list(args: argparse.Namespace, found: list[recordings.Recording]) -> int:
    rows = [(each.name, _count(each), each.path.stat().st_size) for each in found]
    if args.json:
        print(json.dumps([{"name": name, "count": count, "bytes": size} for name, count, size in rows]))
        return 0
    for name, count, size in rows:
        print(f"{name:<28} {plural(count, 'exchange'):>16} {size / 1e6:>8.1f} MB")
    if not rows:
        print("there is no recording")
    return 0


def _count(recording: recordings.Recording) -> int:
    with recording.path.open("rb") as file:
        return sum(line.endswith(b"\n") for line in file)


def _show(args: argparse.Namespace, recording: recordings.Recording) -> int:
    chosen = [
        each
        for each in recording.exchanges()
        if args.only in (None, each["n"]) and (not args.function or each["function"] in args.function)
    ]
    if args.only is not None and not chosen:
        raise CommandFailed(f"{recording.name} has no exchange {args.only}", exit_code=2)
    if args.json:
        print(json.dumps(chosen))
    elif args.only is not None:
        print(json.dumps(chosen[0], indent=2, ensure_ascii=True))
    else:
        for each in chosen:
            print(line_of(each))
    return 0


def line_of(exchange: dict[str, Any]) -> str:
    request, response = exchange["request"], exchange["response"]
    headers = dict(request["headers"])
    what = headers.get("ce-type") or f"{request['method']} {request['target']}"
    status = response["status"] if response else "no answer"
    return f"{exchange['n']:>5}  {exchange['kind']:<5} {exchange['function']:<16} {status}  {shorten(clean(what), 80)}"
