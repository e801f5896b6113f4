"""`sluice openapi`: the OpenAPI document of the gateway, without a platform."""

import argparse
import json
from pathlib import Path

from cli import written
from gateway.app import routed, table


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("openapi", help="the OpenAPI document of the HTTP interface")
    parser.add_argument("path", nargs="?", type=Path, metavar="FILE", help="where to write it (default: print it)")


def run(args: argparse.Namespace) -> int:
    written.put(json.dumps(routed(table()).openapi(), indent=2, ensure_ascii=False) + "\n", args.path)
    return 0
