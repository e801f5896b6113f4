"""`sluice cesql`: what a CESQL expression is worth for an event."""

import argparse
import sys

from cli import event_file
from cli.failure import CommandFailed
from cli.text import json_line
from emulator.cesql import evaluate, parse


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("cesql", help="what a CESQL expression is worth for an event")
    parser.add_argument("expression", metavar="EXPRESSION")
    parser.add_argument(
        "--event", required=True, metavar="FILE", help="its attributes, a JSON object; - reads standard input"
    )


def run(args: argparse.Namespace) -> int:
    """Prints the value as JSON; with an error too, then with exit code 1 and the error on standard error."""
    parsed = parse(args.expression)
    if parsed.expression is None:
        raise CommandFailed(f"not a CESQL expression: {parsed.error}", exit_code=2)
    outcome = evaluate(parsed.expression, event_file.read_attributes(args.event))
    print(json_line(outcome.value))
    if outcome.error is not None:
        print(f"sluice: {outcome.error}: {outcome.message}", file=sys.stderr)
        return 1
    return 0
