"""`sluice logs`: what a function's processes printed."""

import argparse
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO
from uuid import UUID

from cli import target
from cli.counts import between
from cli.environment import ROOT
from cli.failure import CommandFailed

POLL_S = 0.2
MOST_OF_A_TRACE = 10_000


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("logs", help="show what a function wrote")
    parser.add_argument("function", nargs="?", metavar="FUNCTION", help="with --trace it may be left out: all of them")
    parser.add_argument("--trace", metavar="ID", help="the lines that name this trace, document or job, by their time")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what is written from now on")
    parser.add_argument(
        "--tail", "-n", type=between(0, MOST_OF_A_TRACE), metavar="N", default=200, help="how many lines (default: 200)"
    )
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Reads the files, so that it also works when the platform has died."""
    folder = target.find(args).data_dir / "logs"
    if args.trace:
        return _of_trace(folder, args)
    if not args.function:
        raise CommandFailed("name a function, or a trace with --trace", exit_code=2)
    path = folder / f"{args.function}.log"
    _check(args.function, folder)
    file = _open(path)
    for line in _last(path, file, args.tail):
        _print(line)
    for line in follow(path, file) if args.follow else ():
        _print(line)
    return 0


def _of_trace(folder: Path, args: argparse.Namespace) -> int:
    if args.follow:
        raise CommandFailed("--follow is for one function, and --trace for what has been written", exit_code=2)
    try:
        wanted = UUID(args.trace)
    except ValueError:
        raise CommandFailed("--trace takes the id of a trace, a document or a job", exit_code=2) from None
    if args.function:
        _check(args.function, folder)
    found: list[tuple[str, str]] = []
    for path in sorted(folder.glob(f"{args.function or '*'}.log*")):
        with path.open(encoding="utf-8", errors="replace") as file:
            named = (line for line in file if wanted.hex in line or str(wanted) in line)
            found += ((path.name.partition(".log")[0], line) for line in deque(named, MOST_OF_A_TRACE))
    # A line begins with its time; those of servers that write their own do not.
    for function, line in deque(sorted(found, key=lambda one: one[1][:30]), args.tail):
        _print(f"{function:<16} {line}")
    if not found:
        raise CommandFailed(f"no line in {folder} names {wanted.hex}")
    return 0


def _check(function: str, folder: Path) -> None:
    """A function that has printed nothing yet is fine; one that does not exist is told from those that do."""
    import yaml  # noqa: PLC0415

    deployed = yaml.safe_load((ROOT / "stack.yml").read_text(encoding="utf-8"))["functions"]
    known = {*deployed, *(file.stem for file in folder.glob("*.log"))}
    if function not in known:
        raise CommandFailed(f"there is no function {function[:100]}; there are: {', '.join(sorted(known))}")
    if not folder.is_dir():
        raise CommandFailed(f"nothing has ever run in {folder.parent}: start a platform with `sluice up`")


def follow(path: Path, file: TextIO | None) -> Iterator[str]:
    """New lines as they come, also when the file is rotated or only made later."""
    rest = ""
    while True:
        piece = file.readline() if file else ""
        if piece.endswith("\n"):
            yield rest + piece
            rest = ""
        elif piece:
            rest += piece
        else:
            file = _reopened(path, file)
            time.sleep(POLL_S)


def _open(path: Path) -> TextIO | None:
    try:
        return path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _reopened(path: Path, file: TextIO | None) -> TextIO | None:
    """The same file, or the one that took its place."""
    fresh = _open(path)
    if fresh is None or file is None:
        return fresh or file
    same = os.fstat(file.fileno()).st_ino == os.fstat(fresh.fileno()).st_ino
    (fresh if same else file).close()
    return file if same else fresh


def _last(path: Path, file: TextIO | None, count: int) -> list[str]:
    """Leaves `file` at its end."""
    lines: deque[str] = deque(maxlen=max(0, count))
    before = _open(path.with_name(f"{path.name}.1"))
    for part in (before, file):
        lines.extend(part or ())
    if before is not None:
        before.close()
    return list(lines)


def _print(line: str) -> None:
    print("".join(c if c.isprintable() else " " for c in line.rstrip("\n")), flush=True)
