"""The public API, as the command line uses it."""

import http.client
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlencode

from cli.failure import CommandFailed

Body = dict[str, Any]
JOBS = "/api/orchestrator/jobs"
STREAM_BYTES = 64 * 1024


class ApiError(CommandFailed):
    """The platform refused: `problem` is what it said."""

    def __init__(self, status: int, problem: Body) -> None:
        super().__init__(_sentence(status, problem), exit_code=2 if status in (400, 413, 422) else 1)
        self.status = status
        self.problem = problem


class NoAnswer(CommandFailed):
    """Nobody listens, or the line broke."""


class Api:
    """One call, one connection. A call that a restarting gateway or function broke is made again."""

    def __init__(self, port: int, api_key: str) -> None:
        self._port = port
        self._api_key = api_key

    def get(self, path: str, query: Body | None = None, *, patience_s: float = 0.0, again: bool = True) -> Body:
        """`patience_s` is how long nobody at all may be listening; without `again` it is asked once."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{path}?{urlencode(given)}" if given else path
        if not again:
            return self._call("GET", target, None, str(uuid.uuid4()))
        return self._patiently("GET", target, None, patience_s)

    def post(self, path: str, body: Body, *, again: bool = True) -> Body:
        """`again` says that a repetition is harmless."""
        if not again:
            return self._call("POST", path, body, str(uuid.uuid4()))
        return self._patiently("POST", path, body, 0.0)

    def put(self, path: str, body: Body) -> Body:
        return self._patiently("PUT", path, body, 0.0)

    def delete(self, path: str) -> Body:
        return self._call("DELETE", path, None, str(uuid.uuid4()))

    def every(self, path: str, name: str) -> list[Body]:
        """All of a listing, page by page."""
        found: list[Body] = []
        query: Body = {"limit": 500}
        while True:
            page = self.get(path, query)
            found += page[name]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]

    def stream(self, path: str, query: Body) -> Iterator[bytes]:
        """The answer in parts, as it comes: it may be long. Raises `NoAnswer` when it stops before its end."""
        connection = self._connection()
        try:
            target = f"{path}?{urlencode(query)}" if query else path
            connection.request("GET", target, headers={"X-API-Key": self._api_key})
            response = connection.getresponse()
            if response.status != 200:
                _read(response.status, response.read())
            while part := response.read(STREAM_BYTES):
                yield part
        except (ConnectionError, TimeoutError, http.client.HTTPException) as exc:
            raise NoAnswer(f"no platform answers on port {self._port}, or it stopped before the end") from exc
        finally:
            connection.close()

    def _patiently(self, method: str, path: str, body: Body | None, patience_s: float) -> Body:
        key, began, wait_s = str(uuid.uuid4()), time.monotonic(), 0.2
        while True:
            try:
                return self._call(method, path, body, key)
            except (ApiError, NoAnswer) as error:
                if time.monotonic() - began + wait_s > _patience(error, patience_s):
                    raise
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, 3.0)

    def _call(self, method: str, path: str, body: Body | None, idempotency_key: str) -> Body:
        # The key makes the repetition of a submission harmless.
        headers = {"X-API-Key": self._api_key, "Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        connection = self._connection()
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return _read(response.status, response.read())
        except (OSError, http.client.HTTPException) as exc:
            raise NoAnswer(
                f"no platform answers on port {self._port}. Start one with `sluice up`, or name another with --port."
            ) from exc
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=90)


def _patience(error: CommandFailed, absent_s: float) -> float:
    """How long an error is worth waiting for."""
    if isinstance(error, ApiError):
        return max(absent_s, 20.0) if error.status in (429, 502, 503, 504) else 0.0
    return absent_s if isinstance(error.__cause__, ConnectionRefusedError) else max(absent_s, 20.0)


def _read(status: int, content: bytes) -> Body:
    try:
        body = json.loads(content)
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    if 200 <= status < 300:
        return cast("Body", body)
    raise ApiError(status, body)


def _sentence(status: int, problem: Body) -> str:
    lines = [str(problem.get("detail") or problem.get("message") or f"the platform answered with status {status}")]
    errors = problem.get("errors", [])
    if len(errors) > 1:
        lines += [f"  {error['field']}: {error['message']} ({error['code']})" for error in errors]
    elif problem.get("code"):
        lines[0] += f" ({problem['code']})"
    return "\n".join(lines)
