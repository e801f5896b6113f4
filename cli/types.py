"""`sluice types`: the HTTP interface as types for a client, made from the OpenAPI document."""

import argparse
from pathlib import Path

from cli import written
from gateway.app import routed, table
from gateway.client_types import python, typescript
from gateway.client_types.shapes import types_of

LANGUAGES = {"typescript": typescript.written, "python": python.written}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("types", help="types for clients, in TypeScript or Python")
    parser.add_argument("language", choices=LANGUAGES)
    parser.add_argument("path", nargs="?", type=Path, metavar="FILE", help="where to write them (default: print them)")


def run(args: argparse.Namespace) -> int:
    named, operations = types_of(routed(table()).openapi())
    written.put(LANGUAGES[args.language](named, operations), args.path)
    return 0
