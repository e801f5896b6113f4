"""What this machine's developer may tell a running platform: the routes below `/system`, with its own credentials."""

import argparse
import base64
import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli import target
from cli.failure import CommandFailed

USER, PASSWORD = "basic-auth-user", "basic-auth-password"


@dataclass(frozen=True)
class Control:
    port: int
    data_dir: Path

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """The JSON answer. Raises `CommandFailed` with the sentence of a refusal: bad usage, if that is why."""
        headers = {"Authorization": f"Basic {self._credentials()}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise CommandFailed(f"no platform answers on port {self.port}. Start one with `sluice up`.") from error
        finally:
            connection.close()
        if response.status < 300:
            return json.loads(content)
        raise CommandFailed(_sentence(response.status, content), exit_code=2 if response.status in (400, 404) else 1)

    def _credentials(self) -> str:
        folder = self.data_dir / "secrets"
        try:
            pair = f"{(folder / USER).read_text().strip()}:{(folder / PASSWORD).read_text().strip()}"
        except OSError as error:
            raise CommandFailed(f"cannot read the platform's credentials in {folder}: {error.strerror}") from error
        return base64.b64encode(pair.encode()).decode()


def find(args: argparse.Namespace) -> Control:
    """That of the platform which the arguments name. Raises `CommandFailed` where none runs."""
    aim, found = target.running_here(args)
    if found is None:
        raise CommandFailed(f"{target.absence(args, aim)}. Start one with `sluice up` or `sluice emulate`.")
    return Control(found.port, Path(found.data_dir))


def _sentence(status: int, content: bytes) -> str:
    try:
        body = json.loads(content)
        return f"{body['message']} ({body['error']})"
    except (ValueError, KeyError, TypeError):
        return f"the platform answered with status {status}: {content[:200].decode(errors='replace').strip()}"
