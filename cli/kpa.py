"""`sluice kpa`: what the Knative Pod Autoscaler would decide for a load, tick by tick."""

import argparse
import sys
from pathlib import Path

from cli.failure import CommandFailed
from cli.text import json_line
from emulator.kpa import simulate, traces
from shared.errors import InvalidInput


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("kpa", help="what the Knative autoscaler decides for a load, tick by tick")
    parser.add_argument("file", metavar="FILE", help="a JSON list of load traces; - reads standard input")


def run(args: argparse.Namespace) -> int:
    try:
        found = traces.parse(_read(args.file))
    except InvalidInput as error:
        raise CommandFailed(f"{args.file}: {error.message}", exit_code=2) from error
    played = [given | {"ticks": [tick.as_json() for tick in simulate.ticks(trace)]} for given, trace in found]
    print(json_line(played))
    return 0


def _read(name: str) -> str:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode()
    except OSError as error:
        raise CommandFailed(f"cannot read {name}: {error.strerror}", exit_code=2) from error
    except UnicodeDecodeError:
        raise CommandFailed(f"{name} is not a UTF-8 text", exit_code=2) from None
