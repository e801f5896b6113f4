"""How a platform is to run for somebody who develops: the options that `up` and `emulate` share."""

import argparse
from dataclasses import replace

from emulator.settings import EmulatorSettings


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


def applied(args: argparse.Namespace, settings: EmulatorSettings) -> EmulatorSettings:
    return replace(settings, cold_start=args.cold_start, reload=args.reload)


def again(args: argparse.Namespace) -> list[str]:
    """The same options, for a command that we run."""
    return ["--cold-start", args.cold_start, *([] if args.reload else ["--no-reload"])]
