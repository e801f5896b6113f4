"""All deployed functions: found by name, scaled once a second, ended together."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import aiohttp

from emulator.broker.ports import FunctionDestination, UriDestination
from emulator.containment.memory import Weighed
from emulator.launcher import Launcher
from emulator.manifests import DEFAULT_NAMESPACE, FunctionSpec
from emulator.probe import Prober
from emulator.queue_scaling import QueueDemand, QueueReader
from emulator.revision import Admitted, MakeDemand, Revision, nobody
from emulator.settings import EmulatorSettings

TICK_S = 1.0
ROLL_POLL_S = 0.02

Make = Callable[[FunctionSpec, MakeDemand | None], Revision]


@dataclass
class Fleet:
    """Use `deploy` to make one. `run` is the scaling loop and ends with its task. `revisions` go by key."""

    make: Make
    revisions: dict[str, Revision] = field(default_factory=dict)
    queues: dict[str, QueueDemand] = field(default_factory=dict)
    redis_url: str | None = None
    clock: Callable[[], float] = time.monotonic
    _demands: dict[str, MakeDemand | None] = field(default_factory=dict)
    _later: set[str] = field(default_factory=set)
    _leaving: dict[asyncio.Task[None], Revision] = field(default_factory=dict)

    def find(self, name: str) -> Revision | None:
        """By `name` or `name.namespace`; without one, the usual namespace is meant."""
        return self.revisions.get(name) or self.revisions.get(name.removesuffix(f".{DEFAULT_NAMESPACE}"))

    def named(self, name: str, namespace: str) -> Revision | None:
        """As events name it: the namespaces of manifests and of OpenFaaS need not be the same."""
        found = self.revisions.get(f"{name}.{namespace}") or self.revisions.get(name)
        return found or next((each for each in self.revisions.values() if each.spec.name == name), None)

    def receiver(self, destination: FunctionDestination | UriDestination) -> Revision | None:
        """None for an address outside, and for a function that nobody knows."""
        if isinstance(destination, UriDestination):
            return None
        return self.named(destination.name, destination.namespace)

    def put(self, spec: FunctionSpec, demand: MakeDemand | None = None) -> Revision:
        """New requests go to it at once; the one that it replaces ends with the requests it has."""
        before = self.revisions.get(spec.key)
        fresh = self.make(spec, demand)
        self._demands[spec.key] = demand
        self._later.add(spec.key)
        self._take_over(before, fresh)
        return fresh

    async def roll(self, key: str) -> str:
        """The same deployment with the code that is there now, which takes over once it is ready to.

        Nobody waits for that who does not have to: until then the old code answers. Says why it goes on doing so if
        the new one does not start, else "".
        """
        before = self.revisions[key]
        fresh = self.make(before.spec, self._demands.get(key))
        try:
            if before.replicas:
                fresh.begin()
                while not fresh.ready and not fresh.failures:  # noqa: ASYNC110
                    await asyncio.sleep(ROLL_POLL_S)
            if fresh.failures or self.revisions.get(key) is not before:
                await fresh.stop(0)
                return fresh.reason or "it was deployed anew meanwhile"
        except asyncio.CancelledError:
            await fresh.stop(0)
            raise
        self._take_over(before, fresh)
        return ""

    def remove(self, key: str) -> None:
        self._demands.pop(key, None)
        self._let_go(self.revisions.pop(key), None)

    @property
    def settled(self) -> bool:
        """Every function has the replicas it must always have; what was deployed later holds nobody up."""
        first = (revision for key, revision in self.revisions.items() if key not in self._later)
        return all(revision.ready >= revision.spec.min_scale for revision in first)

    def weighed(self) -> Iterator[Weighed]:
        """Every process that has a limit to keep, those included that are on their way out."""
        for revision in (*self.revisions.values(), *self._leaving.values()):
            yield from revision.weighed()

    async def run(self) -> None:
        reader: QueueReader | None = None
        watched: tuple[str, ...] = ()
        try:
            while True:
                if self.redis_url and watched != tuple(self.queues):
                    if reader is not None:
                        await reader.close()
                    watched = tuple(self.queues)
                    reader = QueueReader(self.redis_url, watched)
                if reader is not None:
                    await self._observe(reader)
                for revision in self.revisions.values():
                    if revision.awake or revision.spec.queue:
                        revision.reconcile()
                await asyncio.sleep(TICK_S)
        finally:
            if reader is not None:
                await reader.close()

    async def stop_workers(self) -> None:
        """They report and release what they have: while everything that they need for it still answers."""
        await asyncio.gather(*(each.stop(0) for each in self.revisions.values() if each.spec.queue is not None))

    async def stop(self, drain_s: float) -> None:
        everyone = [*self.revisions.values(), *self._leaving.values()]
        await asyncio.gather(*(revision.stop(drain_s) for revision in everyone))
        await asyncio.gather(*self._leaving)

    def _take_over(self, before: Revision | None, fresh: Revision) -> None:
        self.revisions[fresh.spec.key] = fresh
        if before is not None:
            fresh.invocations = before.invocations
            fresh.cold_starts.extendleft(reversed(before.cold_starts))
            self._let_go(before, fresh)
        fresh.reconcile()

    def _let_go(self, revision: Revision, successor: Revision | None) -> None:
        revision.supersede(successor)
        leaving = asyncio.create_task(revision.stop(revision.spec.resources.timeout_s), name=f"end {revision.spec.key}")
        self._leaving[leaving] = revision
        leaving.add_done_callback(self._leaving.pop)

    async def _observe(self, reader: QueueReader) -> None:
        for queue, depth in (await reader.read()).items():
            if queue in self.queues:
                self.queues[queue].observe(depth, self.clock())


def deploy(
    specs: Iterable[FunctionSpec],
    launcher: Launcher,
    session: aiohttp.ClientSession,
    settings: EmulatorSettings,
    admitted: Admitted = nobody,
) -> Fleet:
    """Wires a revision a function. Nothing starts yet. `admitted` hears of each request that a replica gets."""
    prober = Prober(session)
    queues: dict[str, QueueDemand] = {}

    def make(spec: FunctionSpec, demand: MakeDemand | None) -> Revision:
        if spec.queue is not None:
            queue = queues.setdefault(spec.queue, _queue_demand(spec, settings))
            demand = _always(queue)
        return Revision(spec, launcher, prober, settings, demand=demand, admitted=admitted)

    return Fleet(make, {spec.key: make(spec, None) for spec in specs}, queues, settings.redis_url)


def _always(demand: QueueDemand) -> MakeDemand:
    return lambda _: demand


def _queue_demand(spec: FunctionSpec, settings: EmulatorSettings) -> QueueDemand:
    return QueueDemand(
        minimum=spec.min_scale,
        maximum=max(1, spec.max_scale),
        zero_s=settings.idle_s if spec.idle_s is None else spec.idle_s,
        now_s=time.monotonic(),
    )


def routes_of(specs: Sequence[FunctionSpec]) -> list[tuple[str, str]]:
    """(path prefix, function), the longest prefix first."""
    routes = [(prefix.rstrip("/") or "/", spec.key) for spec in specs for prefix in spec.routes]
    return sorted(routes, key=lambda route: len(route[0]), reverse=True)
