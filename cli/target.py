"""Which platform a command talks to: `--data-dir` or `--port` say it, else `.sluice` in the current folder."""

import argparse
import os
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli import running
from cli.api import Api
from cli.failure import CommandFailed

DEFAULT_PORT = 8080
DATA_DIR = "SLUICE_DATA_DIR"
API_KEY = "SLUICE_API_KEY"


@dataclass(frozen=True)
class Target:
    """A platform that may or may not be running."""

    data_dir: Path
    port: int

    def api(self) -> Api:
        """A client with this platform's key."""
        return Api(self.port, self._api_key())

    def _api_key(self) -> str:
        path = self.data_dir / "api-key"
        try:
            return os.environ.get(API_KEY) or path.read_text().strip()
        except OSError:
            raise CommandFailed(
                f"no platform was ever started on {self.data_dir}: start one with `sluice up`, name another with "
                f"--data-dir, or set {API_KEY}"
            ) from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help=f"where the platform keeps its data (default: ${DATA_DIR} or .sluice)",
    )
    parser.add_argument(
        "--port", type=port_number, metavar="PORT", help=f"where the platform listens (default: {DEFAULT_PORT})"
    )


def find(args: argparse.Namespace) -> Target:
    """The platform that the arguments name."""
    data_dir: Path | None = args.data_dir or (Path(os.environ[DATA_DIR]) if os.environ.get(DATA_DIR) else None)
    if data_dir is None and args.port is not None and (there := running.at_port(args.port)):
        return Target(Path(there.data_dir), args.port)
    data_dir = (data_dir or Path(".sluice")).resolve()
    here = None if args.port else running.read(data_dir)
    return Target(data_dir, args.port or (here.port if here else DEFAULT_PORT))


def running_here(args: argparse.Namespace) -> tuple[Target, running.Running | None]:
    """What the arguments name, and the platform that runs there."""
    aim = find(args)
    found = running.read(aim.data_dir)
    return aim, None if found is None or (args.port and found.port != args.port) else found


def absence(args: argparse.Namespace, aim: Target) -> str:
    """The sentence for no platform running there."""
    there = f"port {args.port}" if args.port else str(aim.data_dir)
    both = f" with its data in {aim.data_dir}" if args.port and args.data_dir else ""
    return f"not running: there is no platform on {there}{both}"


def named(args: argparse.Namespace) -> str:
    """The same words again, for a command that we suggest."""
    data_dir = f" --data-dir {shlex.quote(str(args.data_dir))}" if args.data_dir else ""
    return data_dir + (f" --port {args.port}" if args.port else "")


def port_number(text: str) -> int:
    with suppress(ValueError):
        if 1 <= (port := int(text)) <= 65535:
            return port
    raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
