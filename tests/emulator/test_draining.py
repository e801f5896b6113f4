"""How a replica is taken away: no new calls, those it has end, SIGTERM, grace, SIGKILL, in that order."""

import asyncio
import signal
import time

import psutil

from emulator.replica import Replica
from tests.emulator.conftest import Platform, Start, eventually

# Takes a second for `/slow`; says what happens to it, and with `stubborn` goes on when it is told to stop.
FUNCTION = """
import os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def told(*_):
    print("SIGTERM", flush=True)
    if sys.argv[1:] != ["stubborn"]:
        os._exit(0)

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):
        time.sleep(1 if self.path == "/slow" else 0)
        print("answered", flush=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"%d" % os.getpid())

signal.signal(signal.SIGTERM, told)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def said(platform: Platform) -> list[str]:
    return [line.text for line in platform.emulator.launcher.log_of("f").tail()]


def first_replica(platform: Platform) -> Replica:
    return platform.emulator.fleet.revisions["f"].replicas[0]


async def test_calls_end_before_the_process_is_told_and_new_ones_go_elsewhere(start: Start) -> None:
    platform = await start({"f": {"fprocess": f"python -c '{FUNCTION}'"}}, grace_s=10)
    slow = asyncio.create_task(platform.get("/function/f/slow"))
    await eventually(lambda: platform.function("f")["in_flight"] == 1)
    going = first_replica(platform)
    platform.emulator.fleet.put(platform.emulator.fleet.revisions["f"].spec)
    assert (await slow) == (200, str(going.process.pid))
    assert (await platform.get("/function/f"))[1] != str(going.process.pid)
    await eventually(lambda: going.process.exited.done())
    assert said(platform).index("answered") < said(platform).index("SIGTERM")
    assert going.process.exited.result() == 0


async def test_after_its_grace_it_is_killed_with_what_it_has(start: Start) -> None:
    platform = await start({"f": {"fprocess": f"python -c '{FUNCTION}' stubborn"}}, grace_s=0.5)
    await platform.get("/function/f")
    going = first_replica(platform)
    began = time.monotonic()
    await platform.emulator.fleet.stop(5)
    assert going.process.exited.result() == -signal.SIGKILL
    assert time.monotonic() - began >= 0.5
    assert said(platform) == ["answered", "SIGTERM"]


async def test_a_call_that_never_ends_holds_up_the_end_no_longer_than_it_may(start: Start) -> None:
    platform = await start({"echo": {}}, grace_s=0.3)
    call = asyncio.create_task(platform.get("/function/echo/slow/600"))
    await eventually(lambda: platform.function("echo")["in_flight"] == 1)
    pid = platform.function("echo")["replicas"][0]["pid"]
    await platform.emulator.fleet.stop(0.2)
    assert (await call)[0] == 502
    assert not psutil.pid_exists(pid)
