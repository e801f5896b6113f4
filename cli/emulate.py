"""`sluice emulate`: the emulator alone, for the functions and events of any project."""

import argparse
import asyncio
import logging
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cli import data_dir, development, foreground, running, sources, target
from cli.failure import CommandFailed
from cli.foreground import say
from cli.text import clean
from cli.up import refuse_second, refuse_taken
from emulator.app import Emulator, EmulatorSettings
from emulator.broker.brokers import DEFAULT_TTL
from emulator.knative.functions import HOME_NAMESPACES
from emulator.project import read_project
from observe import logs
from shared.errors import InvalidInput
from shared.settings import Environment

READY_S = 120.0
POLL_S = 0.05


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("emulate", help="run the functions and triggers of any project, and nothing else")
    sources.add_arguments(parser)
    target.add_arguments(parser)
    development.add_arguments(parser)
    parser.add_argument(
        "--broker-ack",
        choices=("durable", "imc-sync"),
        default="durable",
        help="a broker says 202 once the event is on disk, or (imc-sync) once all is delivered (default: durable)",
    )
    parser.add_argument(
        "--edition", choices=("ce", "pro"), default="pro", help="of OpenFaaS, Community or Pro (default: pro)"
    )
    parser.add_argument(
        "--broker-ttl", type=_hops, default=DEFAULT_TTL, metavar="N", help="hops of an event (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    stack, manifests = sources.find(args)
    folder = (args.data_dir or Path(os.environ.get(target.DATA_DIR) or ".sluice")).resolve()
    port = args.port or target.DEFAULT_PORT
    development.check(args)
    data_dir.make_folders(folder)
    refuse_second(folder)
    refuse_taken(port)
    logs.setup("emulator", logging.WARNING)
    try:
        project = read_project(stack, manifests)
    except InvalidInput as error:
        raise CommandFailed(error.message, exit_code=2) from error
    for file, notice in project.notices:
        say(f"warning: {file.name}: {notice.field}: {notice.message}")
    read = EmulatorSettings.read(Environment(os.environ), stack_file=stack or sources.STACK, data_dir=folder, port=port)
    settings = replace(development.applied(args, read), edition=args.edition)
    emulator = Emulator(settings, project.eventing, specs=project.functions, ack=args.broker_ack, ttl=args.broker_ttl)
    with data_dir.owned(folder), running.announced(folder, port):
        return foreground.run(_emulate(emulator, port))


async def _emulate(emulator: Emulator, port: int) -> None:
    began = time.monotonic()
    async with emulator:
        run = asyncio.create_task(emulator.run(asyncio.Event()), name="emulator")
        try:
            await _ready(emulator, run)
            _say_ready(emulator, port, time.monotonic() - began)
            await run
        finally:
            run.cancel()
            with suppress(asyncio.CancelledError):
                await run


async def _ready(emulator: Emulator, run: "asyncio.Task[None]") -> None:
    """What stands in the way is told as it comes up."""
    told: set[str] = set()
    until = time.monotonic() + READY_S
    while not emulator.ready and not run.done() and time.monotonic() < until:
        troubles = {f"{one['name']}: {one['reason']}" for one in emulator.status()["functions"] if one["reason"]}
        for trouble in sorted(troubles - told):
            say(clean(trouble))
        told |= troubles
        await asyncio.sleep(POLL_S)
    if run.done():
        await run
    if not emulator.ready:
        raise CommandFailed(f"not ready after {READY_S:g} s")


def _say_ready(emulator: Emulator, port: int, seconds: float) -> None:
    counted = emulator.status()
    brokers = [name.removeprefix("broker ") for name in counted["broker"] if name.startswith("broker ")]
    for function in counted["functions"]:
        name, namespace = function["name"], function["namespace"]
        usual = namespace in HOME_NAMESPACES.values()
        say(f"function http://127.0.0.1:{port}/function/{name if usual else f'{name}.{namespace}'}")
    for broker in brokers:
        say(f"broker http://127.0.0.1:{port}/broker/{broker}")
    say(f"ready on http://127.0.0.1:{port} after {seconds:.1f} s; Ctrl-C stops it")


def _hops(text: str) -> int:
    hops = int(text)
    if hops < 1:
        raise argparse.ArgumentTypeError("an event makes at least one hop")
    return hops
