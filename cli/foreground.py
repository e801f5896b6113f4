"""Runs something that stays in the foreground until a signal tells it to stop."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine


def run(work: Coroutine[None, None, None]) -> int:
    """On uvloop, which halves what a call through the emulator costs."""
    import uvloop  # noqa: PLC0415

    return uvloop.run(until_signal(work))


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
