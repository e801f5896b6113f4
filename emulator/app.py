"""Wires the emulator: functions, broker, ticks and server, started and stopped in order."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from emulator import scrape_targets
from emulator.asgi import App
from emulator.broker.brokers import DEFAULT_TTL, Ack, Brokers
from emulator.broker.ports import Sender, SystemClock
from emulator.containment.memory import MemoryWatch
from emulator.data_lock import DataLock
from emulator.development import Development
from emulator.eventing import Eventing
from emulator.faults.calls import FaultyCalls, Forward
from emulator.faults.events import FaultySender
from emulator.faults.faults import Faults
from emulator.fleet import deploy, routes_of
from emulator.gate import SqlGate
from emulator.launcher import Launcher
from emulator.leftovers import PidFile
from emulator.manifests import FunctionSpec, read_stack
from emulator.openfaas.asynchronous.retries import RetryPolicy, read_policy
from emulator.openfaas.asynchronous.store import CallStore
from emulator.openfaas.asynchronous.worker import AsyncCalls
from emulator.openfaas.metrics import Invocations
from emulator.openfaas.setup import open_gateway
from emulator.openfaas.startup import at_start
from emulator.proxy import Proxy
from emulator.recording.calls import RecordedCalls
from emulator.recording.events import RecordingSender
from emulator.reload.reloader import Reloader
from emulator.routes import Routes
from emulator.sender import FunctionSender
from emulator.server import Server, listen
from emulator.session import open_session
from emulator.settings import EmulatorSettings
from emulator.status import functions_status
from emulator.ticks import Gate, Ticker, always
from observe.metrics import Registry

if TYPE_CHECKING:
    from emulator.telemetry.intake import Intake

__all__ = ["Emulator", "EmulatorSettings"]

_log = logging.getLogger(__name__)
TELEMETRY_DRAIN_S = 1.0


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
        self.development = Development.under(settings.data_dir)
        self._eventing = eventing or Eventing()
        self._gate = gate
        self._ack = ack
        self._ttl = ttl
        self._variables = variables
        self._more_status = more_status
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._started = False
        self._metrics = Registry()
        self._intake: Intake | None = None
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
    def faults(self) -> Faults:
        """For tests: `emulator.faults.arm(Fault("drop", "scrape", rate=0.1, seed=7))`."""
        return self.development.faults

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
            "recording": self.development.recorder.status(),
            "faults": self.faults.listed(),
            "notices": self.reloader.notices,
            "observing": self._intake.status() if self._intake is not None else None,
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
        observing = await self._observe() if settings.observe else {}
        settings = self.settings
        pids = PidFile(settings.data_dir / "run" / "emulator.json")
        await asyncio.to_thread(pids.end_leftovers)
        self.launcher = Launcher.under(settings, pids, self._metrics)
        stack.callback(self.launcher.close)
        stack.push_async_callback(self.launcher.templates.stop)
        session = await stack.enter_async_context(open_session())
        first = at_start(self.specs, settings.stack_file.parent.resolve(), settings.edition)
        self.specs = tuple(spec for spec, _ in first)
        self.fleet = deploy([ready for _, ready in first], self.launcher, session, settings, self.faults.admitted)
        stack.push_async_callback(self.fleet.stop, settings.drain_s)
        stack.callback(self.development.recorder.stop)
        recording = RecordingSender(FunctionSender(self.fleet, session), self.development.recorder, self.fleet)
        sender = FaultySender(recording, self.faults, self.fleet)
        await self._start_brokers(sender)
        metrics = Invocations(self._metrics)
        self.calls = await self._open_calls(session)
        gateway = open_gateway(
            settings, self.specs, self.fleet, self.launcher, metrics, self._variables, self.calls, self.development
        )
        self._own(self.fleet.run(), "scaling")
        self._own(MemoryWatch(self.fleet.weighed).run(), "memory")
        self.reloader = Reloader(self.fleet, self.launcher, settings.manifest_files)
        if settings.reload:
            self._own(self.reloader.run(), "reload")
        await self._start_ticks(sender)
        routes = Routes(
            self.fleet,
            self._door(metrics),
            self.launcher,
            self.brokers,
            routes_of(self.specs),
            lambda: self.ready,
            self.status,
            gateway,
            {**observing, scrape_targets.PATH: scrape_targets.listing(self.fleet, settings.base_url)},
        )
        server = Server(routes, listener, settings.drain_s)
        await server.start()
        stack.push_async_callback(server.stop)
        stack.callback(self.launcher.end_followers)
        self.calls.start()
        stack.push_async_callback(self.calls.stop, settings.drain_s)
        stack.push_async_callback(self.fleet.stop_workers)
        self._started = True

    async def _observe(self) -> Mapping[bytes, App]:
        """The paths that traces are sent to. Imported here: a platform that nobody observes loads nothing of it.

        Replicas have a port of their own for that, which closes after them: their last words are heard, too.
        """
        from emulator.telemetry.environment import telemetry_environment  # noqa: PLC0415
        from emulator.telemetry.intake import Intake  # noqa: PLC0415
        from emulator.telemetry.measures import SpanCounts  # noqa: PLC0415
        from emulator.telemetry.receiver import PATH, Receiver  # noqa: PLC0415
        from observe.sampling import Sampler  # noqa: PLC0415

        settings, listener = self.settings, self._stack.enter_context(listen(self.settings.host, 0))
        inside = settings.at_port(listener.getsockname()[1]).base_url
        sent_there = {**telemetry_environment(inside), **settings.extra_env}
        self.settings = replace(settings, extra_env=sent_there)
        counts, ratio = SpanCounts(self._metrics), Sampler.read(sent_there).ratio
        self._intake = Intake(settings.traces_file, settings.traces, counts, ratio=ratio)
        receiver = Receiver(await self._stack.enter_async_context(self._intake))
        server = Server(receiver, listener, TELEMETRY_DRAIN_S)
        await server.start()
        self._stack.push_async_callback(server.stop)
        return {PATH: receiver}

    def _door(self, metrics: Invocations) -> Forward:
        """What is recorded is what the function saw: faults come before it."""
        recorded = RecordedCalls(Proxy(metrics).forward, self.development.recorder)
        return FaultyCalls(recorded.forward, self.faults, metrics).forward

    async def _open_calls(self, session: aiohttp.ClientSession) -> AsyncCalls:
        store, left = await CallStore.open(self.settings.data_dir / "async.db")
        self._stack.push_async_callback(store.close)
        if self.settings.edition == "ce":
            return AsyncCalls(store, left, session, self.settings.base_url, lambda _: None, concurrency=1)
        return AsyncCalls(store, left, session, self.settings.base_url, self._retries)

    def _retries(self, function: str) -> RetryPolicy | None:
        revision = self.fleet.find(function)
        return None if revision is None else read_policy(revision.spec.annotations)

    async def _start_brokers(self, sender: Sender) -> None:
        journal = self.settings.data_dir / "broker.db"
        self.brokers = Brokers(
            self._eventing, sender, clock=SystemClock(), journal_path=journal, ack=self._ack, ttl=self._ttl
        )
        await self.brokers.start()
        self._stack.push_async_callback(self.brokers.stop)

    async def _start_ticks(self, sender: Sender) -> None:
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
