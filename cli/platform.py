"""Everything that makes a platform on one machine, started in order, watched, and stopped the other way round."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cli import data_dir, foreground
from cli.environment import ROOT, platform_environment
from cli.failure import CommandFailed
from cli.foreground import say
from cli.observing import observing
from cli.status import fetch
from emulator import eventing
from emulator.app import Emulator, EmulatorSettings
from emulator.services import Services
from functions.membership.core import stored_form
from functions.membership.keys import NewKey
from observe import logs
from shared.auth.access import SCOPES
from shared.settings import Environment
from shared.store.api_keys import add_api_key
from shared.store.claims import void_leases
from shared.store.migrate import migrate
from shared.store.store import Store

# Where this platform keeps its objects, for commands that look at them themselves.
OBJECT_STORE = "object-store-url"
READY_S = 120.0

Chosen = Callable[[EmulatorSettings], EmulatorSettings]


def run_platform(folder: Path, port: int, chosen: Chosen, report_ready: Callable[[], None]) -> int:
    """Until it is told to stop. The first signal stops in order, a second one at once."""
    logs.setup("emulator", logging.WARNING)
    return foreground.run(_platform(folder, port, chosen, report_ready))


async def _platform(folder: Path, port: int, chosen: Chosen, report_ready: Callable[[], None]) -> None:
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        say(f"starting Postgres and Redis in {folder}")
        services = await stack.enter_async_context(Services.start(folder))
        await migrate(services.database_url)
        async with await Store.open(services.database_url, pool_size=1) as store:
            await void_leases(store, store.clock.now())
            key_made = await _register_key(folder, store)
        say("starting the functions")
        emulator = await stack.enter_async_context(_emulator(folder, port, services, chosen))
        stop = asyncio.Event()
        run = asyncio.create_task(emulator.run(stop), name="emulator")
        stack.push_async_callback(_end, run)
        await _ready(emulator, run, port)
        _say_ready(folder, port, time.monotonic() - began, key_made=key_made)
        say(observing(kept=emulator.settings.observe))
        report_ready()
        await run


def _emulator(folder: Path, port: int, services: Services, chosen: Chosen) -> Emulator:
    environment = platform_environment(
        port=port,
        database_url=services.database_url,
        redis_url=services.redis_url,
        object_store_url=services.object_store_url,
    )
    (folder / OBJECT_STORE).write_text(environment["OBJECT_STORE_URL"])
    read = EmulatorSettings.read(Environment(os.environ), stack_file=ROOT / "stack.yml", data_dir=folder, port=port)
    settings = replace(chosen(read), extra_env=environment, redis_url=services.redis_url)
    triggers = eventing.load(ROOT / "triggers")
    return Emulator(settings, triggers, more_status=lambda: {"services": services.status()})


async def _ready(emulator: Emulator, run: "asyncio.Task[None]", port: int) -> None:
    """Ready means ready: triggers loaded, and a request through the front door finds the database."""
    until = time.monotonic() + READY_S
    while time.monotonic() < until and not run.done():
        if emulator.ready and await asyncio.to_thread(fetch, port, "/ready", timeout_s=5) is not None:
            return
        await asyncio.sleep(0.05)
    if run.done():
        await run
    waiting = [one["name"] for one in emulator.status()["functions"] if one["reason"]]
    raise CommandFailed(f"not ready after {READY_S:g} s; see: sluice logs {waiting[0] if waiting else 'gateway'}")


async def _register_key(folder: Path, store: Store) -> bool:
    """Makes the first key, or makes sure that the one of this folder is known. Whether it is new."""
    api_key, made = data_dir.api_key(folder)
    secret = (folder / "secrets" / "caller-hash-key").read_bytes().strip()
    stored = stored_form(secret, api_key, NewKey("local", "made by sluice up", scopes=SCOPES), datetime.now(UTC))
    await add_api_key(store, stored)
    return made


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _say_ready(folder: Path, port: int, seconds: float, *, key_made: bool) -> None:
    if key_made:
        say(f"made an API key and keep it in {folder}/api-key")
    say(
        f"ready on http://127.0.0.1:{port} after {seconds:.1f} s; try: sluice ingest --port {port} --wait https://example.org/"
    )
