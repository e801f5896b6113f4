"""Asynchronous calls of an emulator that is killed in the middle of them: none is lost, few are made twice."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import aiohttp

from cli import running
from emulator.openfaas.asynchronous.worker import CONCURRENCY
from tests.cli.conftest import Cli
from tests.cli.test_emulate import emulating
from tests.cli.test_up import alive, descendants
from tests.emulator.conftest import write_stack
from tests.local_http import closed_port, until

CALLS = 100
MADE_BEFORE = 30
# Once so many are made, the others stay in the middle while there is a file `hold`.
MADE = f"""echo "$Http_X_Call_Id" >> made
while [ -e hold ] && [ "$(wc -l < made)" -gt {MADE_BEFORE} ]; do sleep 0.1; done
"""


async def test_a_killed_emulator_makes_its_calls_when_it_is_there_again(sluice: Cli) -> None:
    sluice = replace(sluice, environment={**sluice.environment, "SLUICE_BASIC_AUTH": "false"})
    (sluice.folder / "made.sh").write_text(MADE)
    hold = sluice.folder / "hold"
    hold.touch()
    stack = write_stack(sluice.folder, {"fn": {"image": "functions/alpine", "fprocess": "sh made.sh"}})
    made = sluice.folder / "made"
    made.touch()
    port = str(closed_port())
    process = await sluice.start("emulate", "--port", port, "--stack", str(stack))
    try:
        await until(lambda: running.read(sluice.folder / ".sluice") is not None, timeout_s=60)
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}/async-function/fn"
            assert (
                await asyncio.gather(*(_submit(session, url, str(number)) for number in range(CALLS))) == [202] * CALLS
            )
        await until(lambda: made.read_text().count("\n") > MADE_BEFORE, timeout_s=60)
        family = descendants(sluice.folder / ".sluice")
        process.kill()
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    assert made.read_text().count("\n") < CALLS, "it was killed in the middle"
    async with emulating(sluice, "--stack", str(stack)) as base, aiohttp.ClientSession() as session:
        await until(lambda: not alive(family), timeout_s=60)
        hold.unlink()
        ended = [await _ended(session, f"{base}/system/async/{number}") for number in range(CALLS)]
    assert Counter(each["status"] for each in ended) == {200: CALLS}
    times = Counter(made.read_text().split())
    assert set(times) == {str(number) for number in range(CALLS)}
    assert sum(count - 1 for count in times.values()) <= CONCURRENCY, "only what ran just then ran twice"


async def _submit(session: aiohttp.ClientSession, url: str, call_id: str) -> int:
    """Again, while the port is not open yet."""
    async with asyncio.timeout(30):
        while True:
            try:
                async with session.post(url, data=b"x", headers={"X-Call-Id": call_id}) as response:
                    return response.status
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.1)


async def _ended(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            async with session.get(url) as response:
                told: dict[str, Any] = await response.json()
            if told["state"] == "completed":
                return told
            await asyncio.sleep(0.05)
