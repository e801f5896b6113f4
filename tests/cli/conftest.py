"""The command line as a process, against an honest server in place of the platform."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.local_http import asgi, serving

JOB_ID = "0b7c51d6-0000-4000-8000-00000000e0aa"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class FakePlatform:
    """One job, whose states move on at each look; `steps` are counts by state."""

    steps: list[dict[str, int]] = field(default_factory=lambda: [{"pending": 2}, {"scraping": 1, "indexed": 1}])
    final: dict[str, int] = field(default_factory=lambda: {"indexed": 2})
    documents: list[dict[str, Any]] = field(default_factory=list)
    refusal: Response | None = None
    submitted: list[Any] = field(default_factory=list)
    looks: int = 0

    async def __call__(self, request: Request) -> Response:
        assert request.headers["x-api-key"] == "slk_for-tests"
        path = request.url.path.removeprefix("/api/orchestrator/jobs")
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            return refusal
        if request.method == "POST":
            self.submitted.append(await request.json())
            accepted = {"job_id": JOB_ID, "status": "accepted", "documents": 2, "corpus": "default", "links": {}}
            return JSONResponse(accepted if path == "" else {"results": [HIT]}, 202 if path == "" else 200)
        if path.endswith("/documents"):
            return self._documents(request)
        return JSONResponse(self._job() if path else {"jobs": [self._job()], "next": None})

    def _job(self) -> dict[str, Any]:
        ended = self.looks >= len(self.steps)
        counts = self.final if ended else self.steps[self.looks]
        self.looks += 1
        status = ("completed_with_errors" if "failed" in self.final else "completed") if ended else "running"
        base = {"job_id": JOB_ID, "status": status, "corpus": "default", "documents": 2, "counts": counts}
        return base | {"created_at": "2026-01-01T00:00:00Z", "ended_at": None, "seconds": 1.25}

    def _documents(self, request: Request) -> Response:
        """One a page, so that whoever does not follow the cursor sees too few."""
        wanted = request.query_params.get("status")
        found = [one for one in self.documents if wanted in (None, one["status"])]
        at = int(request.query_params.get("cursor", "0"))
        more = str(at + 1) if at + 1 < len(found) else None
        return JSONResponse({"documents": found[at : at + 1], "next": more})


HIT = {"url": "https://e.example/", "title": "T\x1b[31m", "score": 0.5, "text": "some text"} | {
    "ordinal": 0,
    "start": 0,
    "end": 9,
    "extra": 1,
}


def document(url: str, status: str = "indexed", **changed: Any) -> dict[str, Any]:
    base = {"document_id": url, "url": url, "status": status, "stage": None, "error_code": None, "error_message": None}
    return base | {"chunks": 3, "tokens": 700, "attempt": 1, "waiting": None} | changed


@dataclass
class Cli:
    """Runs `sluice`. `folder` is its current folder and home."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, *arguments: str, stdin: str = "") -> Ended:
        process = await self.start(*arguments)
        out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await self.start_on(asyncio.subprocess.PIPE, *arguments)

    async def start_on(self, stream: int, *arguments: str) -> asyncio.subprocess.Process:
        """With standard input, output and error on this pipe or terminal."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.main", *arguments),
            cwd=self.folder,
            env=self.clean_environment(),
            stdin=stream,
            stdout=stream,
            stderr=stream,
        )

    def clean_environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        own = {"PYTHONPATH": str(ROOT), "HOME": str(self.folder), "TMPDIR": str(self.folder)}
        return kept | own | dict(self.environment)


@pytest.fixture
def sluice(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@asynccontextmanager
async def platform(cli: Cli, fake: FakePlatform) -> AsyncIterator[Cli]:
    """The command line with a platform to talk to."""
    data_dir = cli.folder / "data"
    data_dir.mkdir()
    (data_dir / "api-key").write_text("slk_for-tests\n")
    async with serving(asgi(fake)) as url:
        yield Aimed(cli.folder, cli.environment, url.rpartition(":")[2])


@dataclass
class Aimed(Cli):
    port: str = ""

    async def start_on(self, stream: int, *arguments: str) -> asyncio.subprocess.Process:
        command, *rest = arguments
        where = ("--port", self.port, "--data-dir", str(self.folder / "data"))
        return await super().start_on(stream, command, *where, *rest)
