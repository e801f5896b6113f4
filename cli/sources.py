"""Which manifests a command reads: `--stack` and `--manifests` say it, else those of the current folder."""

import argparse
from pathlib import Path

from cli.failure import CommandFailed

STACK, MANIFESTS = Path("stack.yml"), Path("triggers")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack", type=Path, metavar="FILE", help="a stack.yml, as faas-cli reads it")
    parser.add_argument("--manifests", type=Path, metavar="DIR", help="a folder of Knative manifests (*.yaml, *.yml)")


def find(args: argparse.Namespace) -> tuple[Path | None, Path | None]:
    """(stack, manifests). Neither given: `stack.yml` and `triggers/`, as far as they are here."""
    stack, manifests = args.stack, args.manifests
    if stack is None and manifests is None:
        stack, manifests = STACK if STACK.is_file() else None, MANIFESTS if MANIFESTS.is_dir() else None
    if stack is None and manifests is None:
        raise CommandFailed("name what to read: --stack FILE, --manifests DIR, or both", exit_code=2)
    if stack is not None and not stack.is_file():
        raise CommandFailed(f"there is no file {stack}", exit_code=2)
    if manifests is not None and not manifests.is_dir():
        raise CommandFailed(f"there is no folder {manifests}", exit_code=2)
    return stack, manifests
