"""An honest server in place of a platform: answers by path, and is found like one that runs."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from cli import running
from cli.running import Running
from tests.cli.conftest import Aimed, Cli
from tests.local_http import asgi, serving


@asynccontextmanager
async def answering(cli: Cli, answers: Mapping[str, Any]) -> AsyncIterator[Cli]:
    """JSON, or text, for each path; 404 for all others."""

    async def answer(request: Request) -> Response:
        found = answers.get(request.url.path)
        if found is None:
            problem = {"detail": "there is no such document, or it is not yours", "code": "document_not_found"}
            return JSONResponse(problem, 404)
        return PlainTextResponse(found) if isinstance(found, str) else JSONResponse(found)

    data_dir = cli.folder / "data"
    data_dir.mkdir()
    (data_dir / "api-key").write_text("slk_for-tests\n")
    async with serving(asgi(answer)) as url:
        port = url.rpartition(":")[2]
        me = Running(os.getpid(), running.started_at(os.getpid()) or 0.0, int(port), str(data_dir))
        (data_dir / "platform.json").write_text(json.dumps(asdict(me)))
        yield Aimed(cli.folder, cli.environment, port)
