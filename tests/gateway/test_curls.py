"""The curls of docs/how-to/http.md, run as they stand there against a gateway with all its functions."""

import asyncio
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from shared.store.store import Store
from tests.docs.curls import HOST, curls
from tests.gateway.conftest import ALICE, BOB, WORKER_KEY, insert_job
from tests.gateway.whole import whole_gateway

# The page's own helper, but an error status ends it with 22.
CALL = """call() { curl --fail-with-body -sSH "X-API-Key: $KEY" -H 'Content-Type: application/json' "$@"; }"""


@dataclass
class Reader:
    """Somebody who reads the page and types what it says, with ids of their own."""

    store: Store
    folder: Path
    environment: Mapping[str, str]
    ids: dict[str, str] = field(default_factory=lambda: {"CALLER_ID": BOB})

    async def type_in(self, command: str) -> None:
        await self._prepare(command)
        for word, value in self.ids.items():
            command = command.replace(word, value)
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", f"{CALL}\n{command.replace(HOST, self.environment['HOST'])}"),
            env={**self.environment, **({"KEY": WORKER_KEY} if "/complete" in command else {})},
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, f"{command}\n{said.decode()}"
        if "deletion_id" in said.decode():
            self.ids.setdefault("DELETION_ID", json.loads(said).get("deletion_id", ""))

    async def _prepare(self, command: str) -> None:
        """A job with a page that failed, and a webhook that did."""
        if "/complete" in command:
            self.ids["JOB_ID"] = str(await insert_job(self.store, ALICE, ["pending"]))
        elif "JOB_ID" in command or "DELIVERY_ID" in command:
            job_id = await insert_job(self.store, ALICE, ["failed", "pending"])
            failed = "UPDATE documents SET error_code = 'http_503' WHERE job_id = $1 AND state = 'failed' RETURNING id"
            document_id = await self.store.pool.fetchval(failed, job_id)
            self.ids |= {"JOB_ID": str(job_id), "DOCUMENT_ID": str(document_id)}
            self.ids["DELIVERY_ID"] = str(await self._delivery(job_id))

    async def _delivery(self, job_id: UUID) -> UUID:
        delivery_id = uuid4()
        await self.store.pool.execute(
            "INSERT INTO webhook_deliveries (id, job_id, caller_id, url, event, state, created_at, ended_at) VALUES"
            " ($1, $2, $3, 'https://example.org/hook', $4, 'failed', now(), now())",
            *(delivery_id, job_id, ALICE, '{"type": "dev.sluice.job.completed.v1"}'),
        )
        return delivery_id


async def test_every_curl_does_what_it_is_for(database: str, store: Store, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no curl")
        pytest.skip("no curl here")
    async with whole_gateway(database, tmp_path) as client:
        host = str(client.base_url).rstrip("/")
        environment = {
            "PATH": os.environ["PATH"],
            "HOST": host,
            "API": f"{host}/api",
            "KEY": client.headers["x-api-key"],
            "no_proxy": "*",
        }
        reader = Reader(store, tmp_path, environment)
        for curl in curls():
            await reader.type_in(curl.command)
    assert (tmp_path / "docs.jsonl").is_file()
