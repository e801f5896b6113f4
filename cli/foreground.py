"""Runs something that stays in the foreground until a signal tells it to stop."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress

OPEN_FILES = 65_536


def run(work: Coroutine[None, None, None]) -> int:
    """On uvloop, which halves what a call through the emulator costs."""
    import uvloop  # noqa: PLC0415

    _allow_many_connections()
    return uvloop.run(until_signal(work))


def _allow_many_connections() -> None:
    """Every call that is held takes a file, and the usual thousand of them is soon reached."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(most, OPEN_FILES)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def until_signal(work: Coroutine[None, None, None]) -> int:
    """The first signal stops it in order; a second Ctrl-C at once."""
    task = asyncio.create_task(work, name="foreground")
    told = False

    def stop(number: signal.Signals) -> None:
        nonlocal told
        if told and number == signal.SIGINT:
            os._exit(130)  # the kernel ends the children with us
        if not told:
            say("stopping; Ctrl-C once more forces it" if number == signal.SIGINT else "stopping")
            task.cancel()
        told = True

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # nohup
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        say("stopped")
    return 0


def say(text: str) -> None:
    print(f"sluice: {text}", file=sys.stderr, flush=True)
