"""`sluice top`: what runs, what waits, and how fast it goes, refreshed in place."""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from cli import target
from cli.api import JOBS, Api
from cli.colours import painted
from cli.failure import CommandFailed
from cli.numbers import numbers
from cli.overview import Look, Overview, overview
from cli.panel import MOST_JOBS, lines
from cli.status import fetch, said_by

ONCE_S: Final = 1.0
# A screen of its own, without a cursor; and back to what was there before.
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
HOME, END_OF_LINE, REST = "\x1b[H", "\x1b[K", "\x1b[J"
METRICS: Final = ("/metrics", "/function/gateway/metrics")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "top",
        help="a live table: functions, replicas, queues, rates, waits",
        description="Shows what runs, what waits and how fast it goes, until Ctrl-C. CALLS/S and MEAN are of the time "
        "since the last refresh; HELD are requests that wait for a replica.",
    )
    parser.add_argument("--interval", type=_seconds, default=2.0, metavar="SECONDS", help="between looks (default: 2)")
    parser.add_argument("--once", action="store_true", help="print it once; so does a pipe")
    parser.add_argument("--json", action="store_true", help="once, as one JSON object")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """0 also after Ctrl-C, which is how it ends."""
    aim, running = target.running_here(args)
    if running is None:
        raise CommandFailed(f"{target.absence(args, aim)}. Start one with `sluice up`.")
    port, api = running.port, _api(aim)
    first = look(port, api)
    if args.once or args.json or not sys.stdout.isatty():
        time.sleep(ONCE_S)
        seen = overview(first, look(port, api))
        if args.json:
            print(json.dumps(seen.as_json()))
        else:
            _print(seen, sys.stdout, height=1000)
        return 0
    return _live(port, api, first, args.interval)


def _live(port: int, api: Api | None, before: Look, interval_s: float) -> int:
    try:
        with screen(sys.stdout):
            wait_s = min(ONCE_S, interval_s)
            while True:
                time.sleep(wait_s)
                now = look(port, api)
                sys.stdout.write(HOME)
                _print(overview(before, now), sys.stdout, end=f"{END_OF_LINE}\n")
                sys.stdout.write(REST)
                sys.stdout.flush()
                before, wait_s = now, interval_s
    except KeyboardInterrupt:
        return 0


@contextmanager
def screen(stream: IO[str]) -> Iterator[None]:
    """However it ends, the terminal is as it was."""
    stream.write(ENTER)
    stream.flush()
    try:
        yield
    finally:
        stream.write(LEAVE)
        stream.flush()


def look(port: int, api: Api | None) -> Look:
    """Raises `CommandFailed` when the platform has gone."""
    status = said_by(port)
    if not status:
        raise CommandFailed(f"the platform on port {port} does not answer any more")
    texts = [(fetch(port, path) or b"").decode(errors="replace") for path in METRICS]
    return Look(time.time(), status, numbers("\n".join(texts)), _jobs(api))


def _api(aim: target.Target) -> Api | None:
    """None for `sluice emulate`, which has no key and may have no gateway."""
    try:
        return aim.api()
    except CommandFailed:
        return None


def _jobs(api: Api | None) -> list[dict[str, Any]]:
    """Those of whose key it is; none while the gateway does not answer."""
    if api is None:
        return []
    try:
        found: list[dict[str, Any]] = api.get(JOBS, {"status": "running", "limit": MOST_JOBS}, again=False)["jobs"]
    except CommandFailed:
        return []
    return found


def _print(seen: Overview, stream: IO[str], *, height: int | None = None, end: str = "\n") -> None:
    size = shutil.get_terminal_size((100, 40))
    width = size.columns if stream.isatty() else max(100, size.columns)
    for line in lines(seen, width, height or size.lines - 1, time.strftime("%H:%M:%S")):
        stream.write(painted(line.text, line.mood, stream) + end)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.2 <= value <= 3600:
        raise argparse.ArgumentTypeError("give a number of seconds, from 0.2 to 3600")
    return value
