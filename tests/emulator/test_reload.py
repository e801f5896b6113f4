"""New code takes over while its function runs."""

import asyncio
import os
import time
from pathlib import Path

from tests.emulator.conftest import Platform, Start, eventually

SERVER = """
import http.server, os, time
import words

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(float(open("slow").read()))
        body = f"VERSION {words.WORD} {os.getpid()}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
BODY = {"fprocess": "python fn/main.py"}


def write(folder: Path, version: str = "one", word: str = "hello") -> None:
    (folder / "fn").mkdir(exist_ok=True)
    (folder / "fn" / "main.py").write_text(SERVER.replace("VERSION", version))
    (folder / "fn" / "words.py").write_text(f"WORD = {word!r}")
    (folder / "slow").write_text("2")


async def said(platform: Platform, path: str = "") -> list[str]:
    status, text = await platform.get(f"/function/fn{path}")
    assert status == 200, text
    return text.split()


async def until_it_says(platform: Platform, *words: str, timeout_s: float = 20) -> float:
    """Never anything but a good answer meanwhile. How long it took."""
    began = time.monotonic()
    while (await said(platform))[: len(words)] != list(words):
        assert time.monotonic() - began < timeout_s, "the new code never answered"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def reloaded(platform: Platform) -> str:
    return str(platform.function("fn")["reloaded"])


async def watched(platform: Platform) -> None:
    """Its files are being looked at, once a look has found a change in none of them."""
    await said(platform)
    await asyncio.sleep(0.6)


async def test_new_code_answers_within_a_second_and_its_own_cold_start(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    platform = await start({"fn": BODY}, reload=True)
    old = await said(platform)
    slow = asyncio.create_task(said(platform, "/slow"))
    await eventually(lambda: platform.function("fn")["in_flight"])
    write(tmp_path, "two")
    took_s = await until_it_says(platform, "two", "hello")
    cold_start_s = platform.function("fn")["cold_starts"][-1]["ready_ms"] / 1000
    assert took_s < 1 + cold_start_s + 1, "a second to spare for a busy machine"
    assert await slow == old, "what was in flight ends on the old code"
    assert "fn/main.py" in reloaded(platform)
    await eventually(lambda: len(platform.function("fn")["replicas"]) == 1)


async def test_a_module_it_imports_counts_and_one_it_does_not_import_does_not(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "fn" / "unrelated.py").write_text("")
    platform = await start({"fn": BODY}, reload=True)
    _, _, pid = await said(platform)
    await watched(platform)
    (tmp_path / "fn" / "unrelated.py").write_text("x = 1")
    await asyncio.sleep(1)
    assert (await said(platform))[2] == pid
    fresh = tmp_path / "fn" / ".words.swp"
    fresh.write_text("WORD = 'renamed'")
    fresh.replace(tmp_path / "fn" / "words.py")
    await until_it_says(platform, "one", "renamed")


async def test_a_syntax_error_leaves_the_old_code_where_it_is(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    platform = await start({"fn": BODY}, reload=True)
    old = await said(platform)
    (tmp_path / "fn" / "words.py").write_text("WORD = (")
    await eventually(lambda: "the old code goes on: syntax error in fn/words.py, line 1" in reloaded(platform))
    assert await said(platform) == old
    assert platform.function("fn")["starts"] == 1, "nobody tried to run it"
    log = platform.emulator.launcher.log_of("fn").tail()
    assert any("syntax error in fn/words.py" in line.text for line in log if line.instance == "emulator")
    (tmp_path / "fn" / "words.py").write_text("WORD = 'mended'")
    await until_it_says(platform, "one", "mended")


async def test_code_that_does_not_start_leaves_the_old_where_it_is(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    platform = await start({"fn": BODY}, reload=True)
    old = await said(platform)
    (tmp_path / "fn" / "words.py").write_text("from missing import WORD")
    await eventually(lambda: "the old code goes on: exit status 1" in reloaded(platform))
    assert "No module named 'missing'" in reloaded(platform)
    assert await said(platform) == old
    (tmp_path / "fn" / "missing.py").write_text("WORD = 'found'")
    await until_it_says(platform, "one", "found")


async def test_a_function_at_zero_starts_with_the_code_that_is_there(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    platform = await start({"fn": BODY}, reload=True, idle_s=0.3, cold_start="template")
    await said(platform)
    launcher = platform.emulator.launcher
    await eventually(lambda: not platform.function("fn")["replicas"] and launcher.templates.ready("fn"), 30)
    write(tmp_path, "two")
    assert (await said(platform))[:2] == ["two", "hello"]
    assert platform.function("fn")["cold_starts"][-1]["how"] == "template"


async def test_edits_one_after_the_other_end_with_the_last(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    platform = await start({"fn": BODY}, reload=True)
    await watched(platform)
    for number in range(8):
        write(tmp_path, f"v{number}")
        await said(platform)
        await asyncio.sleep(0.15)
    await until_it_says(platform, "v7")
    await eventually(lambda: len(platform.function("fn")["replicas"]) == 1)


async def test_an_edit_of_the_same_length_in_the_same_second_counts(start: Start, tmp_path: Path) -> None:
    """Python tells cached bytecode from its source by whole seconds and the size."""
    write(tmp_path, word="aaaaa")
    words = tmp_path / "fn" / "words.py"
    stamp = int(words.stat().st_mtime)
    os.utime(words, (stamp, stamp))
    platform = await start({"fn": BODY}, reload=True)
    await watched(platform)
    words.write_text("WORD = 'bbbbb'")
    os.utime(words, ns=(stamp * 10**9 + 1, stamp * 10**9 + 1))
    await until_it_says(platform, "one", "bbbbb")


async def test_a_deployment_meanwhile_wins(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    platform = await start({"fn": BODY}, reload=True)
    await said(platform)
    fleet = platform.emulator.fleet
    rolling = asyncio.create_task(fleet.roll("fn"))
    await asyncio.sleep(0)
    deployed = fleet.put(fleet.revisions["fn"].spec)
    assert await rolling == "it was deployed anew meanwhile"
    assert fleet.revisions["fn"] is deployed
    await said(platform)


async def test_watching_costs_next_to_nothing(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    platform = await start({"fn": BODY}, reload=True)
    await watched(platform)
    before, began = os.times(), time.monotonic()
    await asyncio.sleep(2)
    after = os.times()
    spent_s = after.user + after.system - before.user - before.system
    assert spent_s / (time.monotonic() - began) < 0.1


async def test_a_changed_manifest_is_told_of(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    platform = await start({"fn": BODY}, reload=True)
    assert platform.emulator.status()["notices"] == []
    with (tmp_path / "stack.yml").open("a") as file:
        file.write("# edited\n")
    await eventually(lambda: platform.emulator.status()["notices"])
    assert platform.emulator.status()["notices"][0].startswith("stack.yml has changed: `faas-cli deploy`")
