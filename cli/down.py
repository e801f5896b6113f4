"""`sluice down`: stop the platform, and wait until it is gone."""

import argparse
import os
import signal
import time

from cli import running, target
from cli.failure import CommandFailed

PATIENCE_S = 60.0


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("down", help="stop the platform")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    aim, found = target.running_here(args)
    if found is None:
        raise CommandFailed(target.absence(args, aim))
    os.kill(found.pid, signal.SIGTERM)
    if not _gone(found, PATIENCE_S):
        raise CommandFailed(
            f"pid {found.pid} has not stopped within {PATIENCE_S:g} s; its log is in {aim.data_dir}/logs"
        )
    print(f"stopped the platform on port {found.port}")
    return 0


def _gone(found: running.Running, patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    while running.is_alive(found):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
