"""A client of the REST contract, and a project whose code is found in every way there is."""

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.emulator.conftest import Platform


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Speaks to `/system` as whoever has the generated credentials."""

    def __init__(self, platform: Platform, data_dir: Path) -> None:
        self.platform = platform
        self.project = data_dir.parent
        secrets = data_dir / "secrets"
        user, password = (secrets / f"basic-auth-{part}" for part in ("user", "password"))
        token = base64.b64encode(f"{user.read_text()}:{password.read_text()}".encode()).decode()
        self.authorization = f"Basic {token}"

    async def call(self, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        answer = await self.answer(method, target, body, **headers)
        return answer.status, answer.body

    async def answer(self, method: str, target: str, body: Any = None, **headers: str) -> Answer:
        sent = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        given = {"Authorization": self.authorization, **{key.replace("_", "-"): text for key, text in headers.items()}}
        url = self.platform.url(target)
        async with self.platform.session.request(
            method,
            url,
            data=sent and io.BytesIO(sent),
            headers=given,
            allow_redirects=False,
            skip_auto_headers=("Content-Type",),
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def json(self, target: str) -> Any:
        status, body = await self.call("GET", target)
        assert status == 200, body
        return json.loads(body)

    async def ended(self, call_id: str, **wanted: object) -> dict[str, Any]:
        """What is told of an asynchronous call once it is over, or once it is as wanted."""
        wanted = wanted or {"state": "completed"}
        asked = f"/system/async/{call_id}"
        told: dict[str, Any] = await once(lambda: self.json(asked), lambda seen: seen.items() >= wanted.items())
        return told

    async def deploy(self, service: str, image: str = "functions/alpine:latest", **fields: Any) -> None:
        body = {"service": service, "image": image, "labels": {}, "annotations": {}, **fields}
        status, answer = await self.call("PUT", "/system/functions", body)
        if status == 404:
            status, answer = await self.call("POST", "/system/functions", body)
        assert status == 202, answer


async def once(ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool], timeout_s: float = 10) -> Any:
    """The first answer that is as wanted; fails when none comes in time."""
    async with asyncio.timeout(timeout_s):
        while True:
            if wanted(found := await ask()):
                return found
            await asyncio.sleep(0.02)


def build_folder(project: Path, service: str) -> None:
    """What `faas-cli build --shrinkwrap` leaves, with a function that takes no requests."""
    folder = project / "build" / service
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile").write_text('FROM scratch\nENV fprocess="sleep 1000"\nENV mode="http"\n')
    (folder / "index.py").write_text("import time\ntime.sleep(1000)\n")
