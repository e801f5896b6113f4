"""`sluice export`: every chunk of a corpus as a line of JSON, with its vector."""

import argparse
import sys
from pathlib import Path

from cli import target
from cli.failure import CommandFailed


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("export", help="every chunk of a corpus as a line of JSON, with its vector")
    parser.add_argument("corpus", metavar="CORPUS")
    parser.add_argument("--output", "-o", type=Path, metavar="FILE", help="instead of standard output")
    parser.add_argument("--no-vectors", action="store_true", help="leave the vectors out")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    query = {"vectors": "false"} if args.no_vectors else {}
    parts = target.find(args).api().stream(f"/api/corpora/{args.corpus}/export", query)
    if args.output is None:
        for part in parts:
            sys.stdout.buffer.write(part)
        return 0
    first = next(parts, b"")  # an answer that is an error leaves the file as it was
    try:
        with args.output.open("wb") as file:
            file.write(first)
            file.writelines(parts)
    except OSError as error:
        raise CommandFailed(f"cannot write {args.output}: {error.strerror}") from None
    return 0
