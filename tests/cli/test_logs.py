"""`sluice logs`."""

import asyncio

import pytest

from tests.cli.conftest import Cli


async def next_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(10):
        return (await process.stdout.readline()).decode()


async def test_the_last_lines_are_shown_across_a_rotation(sluice: Cli) -> None:
    logs = sluice.folder / ".sluice/logs"
    logs.mkdir(parents=True)
    (logs / "chunk.log.1").write_text("1\n2\n")
    (logs / "chunk.log").write_text("3\n4 \x1b[31m\n")
    assert (await sluice("logs", "chunk", "--tail", "3")).out == "2\n3\n4  [31m\n"


async def test_an_unknown_function_is_told_from_those_that_exist(sluice: Cli) -> None:
    logs = sluice.folder / ".sluice/logs"
    logs.mkdir(parents=True)
    (logs / "chunk.log").write_text("x\n")
    ended = await sluice("logs", "chnk")
    assert ended.code == 1
    assert "there is no function chnk; there are: chunk, embed" in ended.err
    assert (await sluice("logs", "embed")).code == 0, "it has only printed nothing yet"


async def test_follow_goes_on_through_a_rotation(sluice: Cli) -> None:
    log = sluice.folder / ".sluice/logs/embed.log"
    log.parent.mkdir(parents=True)
    log.write_text("first\n")
    process = await sluice.start("logs", "--follow", "embed")
    try:
        assert await next_line(process) == "first\n"
        with log.open("a") as file:
            file.write("second\n")
        assert await next_line(process) == "second\n"
        log.rename(log.with_name("embed.log.1"))
        log.write_text("third\n")
        assert await next_line(process) == "third\n"
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize("command", [("logs", "chunk", "--tail"), ("cost", "--top")])
async def test_a_count_below_none_is_refused(sluice: Cli, command: tuple[str, ...]) -> None:
    ended = await sluice(*command, "-3")
    assert ended.code == 2
    assert "give a number from " in ended.err


async def test_the_last_none_of_a_trace_are_none(sluice: Cli) -> None:
    logs = sluice.folder / ".sluice/logs"
    logs.mkdir(parents=True)
    (logs / "chunk.log").write_text(f"{'a' * 32} was here\n")
    assert (await sluice("logs", "--trace", "a" * 32, "--tail", "0")).out == ""
