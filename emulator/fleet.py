"""All deployed functions: found by name, scaled once a second, ended together."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from emulator.launcher import Launcher
from emulator.manifests import FunctionSpec
from emulator.probe import Prober
from emulator.queue_scaling import QueueDemand, QueueReader
from emulator.revision import Revision
from emulator.settings import EmulatorSettings

TICK_S = 1.0


@dataclass
class Fleet:
    """Use `deploy` to make one. `run` is the scaling loop and ends with its task."""

    revisions: Mapping[str, Revision]
    queues: Mapping[str, QueueDemand] = field(default_factory=dict)
    redis_url: str | None = None
    clock: Callable[[], float] = time.monotonic

    def find(self, name: str) -> Revision | None:
        """By `name` or `name.namespace`; a namespace must be the function's own."""
        revision = self.revisions.get(name)
        if revision is None and "." in name:
            short, _, namespace = name.rpartition(".")
            revision = self.revisions.get(short)
            if revision is not None and revision.spec.namespace != namespace:
                return None
        return revision

    @property
    def settled(self) -> bool:
        """Every function has the replicas it must always have."""
        return all(revision.ready >= revision.spec.min_scale for revision in self.revisions.values())

    async def run(self) -> None:
        reader = QueueReader(self.redis_url, tuple(self.queues)) if self.redis_url and self.queues else None
        try:
            while True:
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
        await asyncio.gather(*(revision.stop(drain_s) for revision in self.revisions.values()))

    async def _observe(self, reader: QueueReader) -> None:
        for queue, depth in (await reader.read()).items():
            self.queues[queue].observe(depth, self.clock())


def deploy(
    specs: Iterable[FunctionSpec], launcher: Launcher, session: aiohttp.ClientSession, settings: EmulatorSettings
) -> Fleet:
    """Wires a revision a function. Nothing starts yet."""
    prober = Prober(session)
    revisions: dict[str, Revision] = {}
    queues: dict[str, QueueDemand] = {}
    for spec in specs:
        demand = None
        if spec.queue is not None:
            demand = queues.setdefault(spec.queue, _queue_demand(spec, settings))
        revisions[spec.name] = Revision(spec, launcher, prober, settings, demand=demand)
    return Fleet(revisions, queues, settings.redis_url)


def _queue_demand(spec: FunctionSpec, settings: EmulatorSettings) -> QueueDemand:
    return QueueDemand(
        minimum=spec.min_scale,
        maximum=max(1, spec.max_scale),
        zero_s=settings.idle_s if spec.idle_s is None else spec.idle_s,
        now_s=time.monotonic(),
    )


def routes_of(specs: Sequence[FunctionSpec]) -> list[tuple[str, str]]:
    """(path prefix, function), the longest prefix first."""
    routes = [(prefix.rstrip("/") or "/", spec.name) for spec in specs for prefix in spec.routes]
    return sorted(routes, key=lambda route: len(route[0]), reverse=True)
