"""`sluice inference`: runs the embeddings endpoint alone."""

import argparse
import os
import sys
from pathlib import Path

from cli.target import port_number
from cli.up import refuse_taken
from functions.inference.folder import read_config
from functions.inference.handler import Settings
from functions.inference.main import wire
from observe import logs
from shared.runtime.host import HostSettings, serve
from shared.settings import Environment

DEFAULT_PORT = 8080


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("inference", help="run the embeddings endpoint alone")
    parser.add_argument(
        "--port", type=port_number, metavar="PORT", help=f"where to listen (default: $PORT or {DEFAULT_PORT})"
    )
    parser.add_argument("--model", metavar="DIR", help="a Hugging Face BERT model folder (default: all-MiniLM-L6-v2)")


def run(args: argparse.Namespace) -> int:
    """Until SIGTERM or Ctrl-C; a folder that cannot be served is refused before anything listens."""
    variables = {"HOST": "127.0.0.1", **os.environ}
    if args.model:
        folder = Path(args.model).resolve()
        variables["EMBEDDING_MODEL_DIR"] = str(folder)
        variables.setdefault("EMBEDDING_MODEL", folder.name)
    if args.port is not None:
        variables["PORT"] = str(args.port)
    env = Environment(variables)
    settings, host = Settings.read(env), HostSettings.read(env)
    refuse_taken(host.port, host.host)
    config = read_config(settings.folder)
    size = f"{config.hidden} dimensions, at most {config.limit} tokens"
    print(f"{settings.model} ({size}) on http://{host.host}:{host.port}/v1", file=sys.stderr)
    logs.setup("inference")
    serve(wire(variables), host)
    return 0
