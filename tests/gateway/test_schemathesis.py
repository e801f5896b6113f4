"""Schemathesis over the OpenAPI document, all checks on, against a real gateway: whatever routes there are.

The suite always sends the same. Longer, and something else every time:
`SCHEMATHESIS_SECONDS=1200 scripts/test tests/gateway/test_schemathesis.py`.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.gateway.whole import whole_gateway

CONFIG = Path(__file__).with_name("schemathesis.toml")
SECONDS = int(os.environ.get("SCHEMATHESIS_SECONDS", "0"))
SHORT = ("--generation-deterministic", "--max-examples", "6", "--max-time", "60")


@pytest.mark.timeout(SECONDS * 2 + 300)
async def test_no_input_breaks_the_contract(database: str, tmp_path: Path) -> None:
    async with whole_gateway(database, tmp_path) as client:
        program = Path(sys.executable).with_name("schemathesis")
        options = ["--checks", "all", "--no-color", "--warnings", "off", "--request-timeout", "100"]
        options += ["--max-time", str(SECONDS)] if SECONDS else SHORT
        process = await asyncio.create_subprocess_exec(
            *(str(program), "--config-file", str(CONFIG), "run", str(client.base_url.join("/openapi.json")), *options),
            *("--header", f"X-API-Key: {client.headers['x-api-key']}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-6000:]
    assert b"Stateful" in said
