"""`sluice migrate`: bring a database to the schema of this version."""

import argparse
import os

from shared.settings import Environment
from shared.store import migrate


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "migrate",
        help="bring a database to the schema of this version",
        epilog="Forward only, all or nothing; any number may run at once, one of them does the work.",
    )
    migrate.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """0 up to date now; 1 the database does not answer, or is newer than this version."""
    return migrate.run(Environment(os.environ), args)
