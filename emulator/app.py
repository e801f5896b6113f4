"""Wires the emulator: functions, broker, ticks and server, started and stopped in order."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Self

import aiohttp

from emulator.broker.brokers import DEFAULT_TTL, Ack, Brokers
from emulator.broker.ports import SystemClock
from emulator.data_lock import DataLock
from emulator.eventing import Eventing
from emulator.fleet import deploy, routes_of
from emulator.gate import SqlGate
from emulator.launcher import Launcher
from emulator.leftovers import PidFile
from emulator.manifests import FunctionSpec, read_stack
from emulator.openfaas.asynchronous.store import CallStore
from emulator.openfaas.asynchronous.worker import AsyncCalls
from emulator.openfaas.code import startable
from emulator.openfaas.metrics import Invocations
from emulator.openfaas.setup import open_gateway
from emulator.proxy import Proxy
from emulator.routes import Routes
from emulator.sender import FunctionSender
from emulator.server import Server, listen
from emulator.session import open_session
from emulator.settings import EmulatorSettings
from emulator.status import functions_status
from emulator.ticks import Gate, Ticker, always

__all__ = ["Emulator", "EmulatorSettings"]

_log = logging.getLogger(__name__)


class Emulator:
    """`async with Emulator(settings, eventing) as emulator`: inside, the port answers; after, no process is left.

    `specs` are the functions, when they come from elsewhere than the stack file alone. `more_status` adds keys to
    `/status`. Must be entered on the main thread.
    """

    def __init__(
        self,
        settings: EmulatorSettings,
        eventing: Eventing | None = None,
        *,
        gate: Gate | None = None,
        ack: Ack = "durable",
        ttl: int = DEFAULT_TTL,
        specs: Sequence[FunctionSpec] | None = None,
        more_status: Callable[[], Mapping[str, Any]] = dict,
        variables: Mapping[str, str] = os.environ,
    ) -> None:
        self.settings = settings
        self.specs = (
            read_stack(settings.stack_file, settings.classes_file, variables) if specs is None else tuple(specs)
        )
        self._eventing = eventing or Eventing()
        self._gate = gate
        self._ack = ack
        self._ttl = ttl
        self._variables = variables
        self._more_status = more_status
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._started = False
        self._since_s = time.time()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._started = False
        await self._stack.aclose()

    @property
    def ready(self) -> bool:
        """Everything deployed, every trigger loaded, and the replicas that must always be there are."""
        return self._started and self.fleet.settled

    def status(self) -> dict[str, Any]:
        return {
            "ready": self.ready,
            "pid": os.getpid(),
            "port": self.settings.port,
            "since": self._since_s,
            "functions": functions_status(self.fleet),
            "broker": self.brokers.snapshot(),
            **self._more_status(),
        }

    async def until_ready(self, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while not self.ready and time.monotonic() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return self.ready

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Raises what a task of ours died of."""
        waiting = asyncio.create_task(stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait({waiting, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        for task in done - {waiting}:
            task.result()

    async def _start(self) -> None:
        """What is entered last is closed first: the workers, then the door, then the broker, then the functions."""
        settings, stack = self.settings, self._stack
        stack.enter_context(DataLock(settings.data_dir, "emulator"))
        listener = stack.enter_context(listen(settings.host, settings.port))
        self.settings = settings = settings.at_port(listener.getsockname()[1])
        pids = PidFile(settings.data_dir / "run" / "emulator.json")
        await asyncio.to_thread(pids.end_leftovers)
        self.launcher = Launcher.under(settings, pids)
        stack.callback(self.launcher.close)
        session = await stack.enter_async_context(open_session())
        self.specs, running = self._startable()
        self.fleet = deploy(running, self.launcher, session, settings)
        stack.push_async_callback(self.fleet.stop, settings.drain_s)
        sender = FunctionSender(self.fleet, session)
        await self._start_brokers(sender)
        metrics = Invocations()
        calls = await self._open_calls(session)
        gateway = open_gateway(settings, self.specs, self.fleet, self.launcher, metrics, self._variables, calls)
        self._own(self.fleet.run(), "scaling")
        await self._start_ticks(sender)
        routes = Routes(
            self.fleet,
            Proxy(metrics),
            self.launcher,
            self.brokers,
            routes_of(self.specs),
            lambda: self.ready,
            self.status,
            gateway,
        )
        server = Server(routes, listener, settings.drain_s)
        await server.start()
        stack.push_async_callback(server.stop)
        stack.callback(self.launcher.end_followers)
        calls.start()
        stack.push_async_callback(calls.stop, settings.drain_s)
        stack.push_async_callback(self.fleet.stop_workers)
        self._started = True

    def _startable(self) -> tuple[tuple[FunctionSpec, ...], tuple[FunctionSpec, ...]]:
        """The functions as they were written, without those that are not built yet, and as they run."""
        project = self.settings.stack_file.parent.resolve()
        pairs = [(spec, startable(spec, project)) for spec in self.specs]
        for spec in (spec for spec, ready in pairs if ready is None):
            _log.warning("%s is not built yet: faas-cli build --shrinkwrap --filter %s", spec.name, spec.name)
        there = [(spec, ready) for spec, ready in pairs if ready is not None]
        return tuple(spec for spec, _ in there), tuple(ready for _, ready in there)

    async def _open_calls(self, session: aiohttp.ClientSession) -> AsyncCalls:
        store, left = await CallStore.open(self.settings.data_dir / "async.db")
        self._stack.push_async_callback(store.close)
        return AsyncCalls(store, left, session, self.settings.base_url)

    async def _start_brokers(self, sender: FunctionSender) -> None:
        journal = self.settings.data_dir / "broker.db"
        self.brokers = Brokers(
            self._eventing, sender, clock=SystemClock(), journal_path=journal, ack=self._ack, ttl=self._ttl
        )
        await self.brokers.start()
        self._stack.push_async_callback(self.brokers.stop)

    async def _start_ticks(self, sender: FunctionSender) -> None:
        gate = self._gate or always
        if self._gate is None and "DATABASE_URL" in self.settings.extra_env:
            gate = sql = SqlGate(self.settings.extra_env["DATABASE_URL"])
            self._stack.push_async_callback(sql.close)
        for source in self._eventing.ping_sources:
            self._own(Ticker(source, self.brokers, sender, gate).run(), f"tick {source.namespace}/{source.name}")

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        self._stack.push_async_callback(_cancel, task)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait({task})
