"""The command line before it talks to anybody."""

import asyncio
import subprocess
import sys
from asyncio.subprocess import PIPE

import pytest

from cli.environment import ROOT
from cli.main import COMMANDS
from tests.cli.conftest import Cli
from tests.local_http import closed_port


async def test_help_names_every_command(sluice: Cli) -> None:
    ended = await sluice("--help")
    assert ended.code == 0
    listed = " ".join(ended.out.split())
    assert all(f" {name} {summary}" in listed for name, summary in COMMANDS.items())


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("ingest", "--no-such"), ("search",), ("status", "--port", "x")]
)
async def test_bad_usage_is_exit_code_2(sluice: Cli, arguments: tuple[str, ...]) -> None:
    ended = await sluice(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert "usage: sluice" in ended.err


def test_help_loads_nothing_heavy() -> None:
    """Start-up stays light because heavy modules are not loaded: that, unlike milliseconds, can be asserted."""
    heavy = "{'httpx', 'asyncio', 'pydantic', 'asyncpg', 'psutil', 'fastapi', 'yaml', 'cli.up', 'cli.ingest'}"
    code = (
        "import sys; from cli.main import main\n"
        "try: main(['--help'])\n"
        f"except SystemExit: sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


async def test_without_a_platform_the_sentence_says_what_to_do(sluice: Cli) -> None:
    ended = await sluice("ingest", "https://example.org/")
    assert ended.code == 1
    assert "no platform was ever started on" in ended.err
    assert "sluice up" in ended.err
    (sluice.folder / ".sluice").mkdir()
    (sluice.folder / ".sluice/api-key").write_text("slk_x")
    ended = await sluice("search", "--port", str(closed_port()), "anything")
    assert ended.code == 1
    assert "no platform answers on port" in ended.err


async def test_status_of_nothing_is_a_clear_sentence(sluice: Cli) -> None:
    ended = await sluice("status")
    assert ended.code == 1
    assert "not running" in ended.err + ended.out
    assert (await sluice("status", "--json")).json()["running"] is False
    ended = await sluice("down")
    assert ended.code == 1
    assert "not running" in ended.err
    port = str(closed_port())
    assert f"no platform on port {port}" in (await sluice("down", "--port", port)).err
    assert f"no platform on port {port}" in (await sluice("status", "--port", port)).err


async def test_a_folder_named_like_one_of_ours_is_not_ours(sluice: Cli) -> None:
    (sluice.folder / "shared").mkdir()
    (sluice.folder / "cli").mkdir()
    (sluice.folder / "cli/__init__.py").write_text("")
    process = await asyncio.create_subprocess_exec(
        ROOT / "scripts/sluice", "status", cwd=sluice.folder, env=sluice.clean_environment(), stderr=PIPE
    )
    _, said = await process.communicate()
    assert b"not running" in said
