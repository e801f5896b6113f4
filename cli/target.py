"""Which platform a command talks to: `--data-dir` or `--port` say it, else `.sluice` in the current folder."""

import argparse
import os
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
                f"no API key: {path} is not there. Is this the data directory of a platform that was started with "
                f"`sluice up`? Name it with --data-dir, or set {API_KEY}."
            ) from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the platform keeps its data")
    parser.add_argument("--port", type=port_number, metavar="PORT", help="where the platform listens")


def find(args: argparse.Namespace) -> Target:
    """The platform that the arguments name."""
    data_dir: Path | None = args.data_dir or (Path(os.environ[DATA_DIR]) if os.environ.get(DATA_DIR) else None)
    if data_dir is None and args.port is not None and (there := running.at_port(args.port)):
        return Target(Path(there.data_dir), args.port)
    data_dir = (data_dir or Path(".sluice")).resolve()
    here = None if args.port else running.read(data_dir)
    return Target(data_dir, args.port or (here.port if here else DEFAULT_PORT))


def port_number(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return port
