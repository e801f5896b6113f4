"""How a platform is to run for somebody who develops: the options that `up` and `emulate` share."""

import argparse
import os
from dataclasses import replace

from cli.failure import CommandFailed
from emulator.settings import EmulatorSettings
from emulator.telemetry.environment import ENDPOINT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cold-start",
        choices=("template", "exec"),
        default="template",
        help="a function that starts again is forked from a process with its dependencies imported (default), or "
        "(exec) started from nothing, as a container is",
    )
    parser.add_argument(
        "--no-reload", dest="reload", action="store_false", help="leave functions alone when their files change"
    )
    parser.add_argument(
        "--observe", action="store_true", help="keep traces here, for `sluice trace`: where the time of a page went"
    )


def check(args: argparse.Namespace) -> None:
    """Before anything starts. Raises `CommandFailed` where the environment wants the traces elsewhere."""
    if args.observe and os.environ.get(ENDPOINT):
        raise CommandFailed(
            f"--observe keeps traces on this machine, and {ENDPOINT} names another place for them: choose one",
            exit_code=2,
        )


def applied(args: argparse.Namespace, settings: EmulatorSettings) -> EmulatorSettings:
    return replace(settings, cold_start=args.cold_start, reload=args.reload, observe=args.observe)


def again(args: argparse.Namespace) -> list[str]:
    """The same options, for a command that we run."""
    given = ["--observe"] if args.observe else []
    return ["--cold-start", args.cold_start, *([] if args.reload else ["--no-reload"]), *given]
