"""One deployed function: its replicas, the requests held for it, and the loop that makes the one fit the other."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, Protocol

from emulator.activator import Activator, Closed
from emulator.autoscaler import follows_knative, knative_demand, with_knative_bounds
from emulator.cold_starts import ColdStart
from emulator.containment.memory import Weighed, in_words
from emulator.launcher import Launcher
from emulator.manifests import FunctionSpec
from emulator.openfaas.limits import read_limits
from emulator.probe import Prober
from emulator.processes import describe_exit, kill_session
from emulator.replica import Replica
from emulator.scaling import ConcurrencyMeter, Load, ScaleConfig, crash_delay_s, decide, target_concurrency
from emulator.settings import EmulatorSettings
from shared.errors import SluiceError

STEADY_S = 10.0
KEPT_COLD_STARTS = 20

_log = logging.getLogger(__name__)


class AtZero(Exception):
    """A worker that its queue asks nothing of: no request starts it."""


class Demand(Protocol):
    """Says how many replicas there should be, given how many live."""

    def desired(self, replicas: int, now_s: float) -> int: ...


# What a replica count is decided on begins with the concurrency of requests.
MakeDemand = Callable[[ConcurrencyMeter], Demand]
# The function's key, and the replica that is about to get a request.
Admitted = Callable[[str, Replica], None]


def nobody(_: str, __: Replica) -> None:
    """Does not mind."""


class RequestDemand:
    """Follows the concurrency of requests."""

    def __init__(self, meter: ConcurrencyMeter, config: ScaleConfig) -> None:
        self._meter = meter
        self._config = config

    def desired(self, replicas: int, now_s: float) -> int:
        meter, config = self._meter, self._config
        load = Load(
            demand=meter.level,
            burst_average=meter.average(config.burst_window_s, now_s),
            stable_average=meter.average(config.stable_window_s, now_s),
            last_active_s=meter.last_active_s,
            replicas=replicas,
        )
        return decide(load, now_s, config)


class Revision:
    """Call `reconcile` whenever something may have changed; it decides at once and acts in tasks of its own.

    Raises `InvalidInput` for an environment that a watchdog could not read.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        launcher: Launcher,
        prober: Prober,
        settings: EmulatorSettings,
        *,
        demand: MakeDemand | None = None,
        admitted: Admitted = nobody,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        knative = follows_knative(spec)
        self.spec = spec = with_knative_bounds(spec) if knative else spec
        self.limits = None if knative else read_limits(spec.name, spec.command, spec.environment)
        self.meter = ConcurrencyMeter(clock())
        self.activator: Activator[Replica] = Activator(spec.concurrency, self._demand_changed)
        self.invocations = 0
        self.starts = 0
        self.failures = 0
        self.oom_kills = 0
        self.reason = ""
        self._reason_s = 0.0
        self.reloaded = ""
        self.cold_starts: deque[ColdStart] = deque(maxlen=KEPT_COLD_STARTS)
        self.replicas: list[Replica] = []
        self.successor: Revision | None = None
        self._launcher = launcher
        self._prober = prober
        self._settings = settings
        self._clock = clock
        self._admitted = admitted
        self._demand = demand(self.meter) if demand else self._own_demand(settings)
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: tuple[int, int] | None = None
        self._not_before_s = 0.0
        self._wanted = spec.min_scale
        self._poked = False
        self._stopping = False

    @property
    def awake(self) -> bool:
        return bool(self.replicas or self.meter.level or self.spec.min_scale or self._asked)

    @property
    def ready(self) -> int:
        return len(self.activator.backends)

    def reconcile(self) -> None:
        self._poked = False
        if self._stopping:
            return
        now_s = self._clock()
        living = [replica for replica in self.replicas if replica.state in ("starting", "ready")]
        desired = self._desired(len(living), now_s)
        if desired > len(living):
            self._start(desired - len(living), now_s)
        elif desired < len(living):
            self._retire(living, len(living) - desired)
            if desired == 0:
                self._launcher.warm(self.spec)

    @property
    def reason_age_s(self) -> float | None:
        """How long ago a replica was lost, or could not be started: `reason` says why. None: never."""
        return self._clock() - self._reason_s if self.reason else None

    def begin(self) -> None:
        """At least one replica, which nobody has asked for yet; it stays as long as one that was used just now."""
        self.reconcile()
        if not self.replicas and not self.failures:
            self._start(1, self._clock())

    async def admit(self) -> tuple[Activator[Replica], Replica]:
        """A slot in a replica, to be released there: one of the successor's where the function was deployed anew.

        Raises `QueueFull`, `Closed`, `AtZero`.
        """
        if self.spec.queue is not None and not self.replicas:
            raise AtZero
        revision = self
        while True:
            try:
                replica = await revision.activator.acquire()
            except Closed:
                if revision.successor is None:
                    raise
                revision = revision.successor
            else:
                replica.given()
                self._admitted(revision.spec.key, replica)
                return revision.activator, replica

    def scale_to(self, count: int) -> None:
        """Stays so until the demand asks for something else than it does now, or a request finds no replica."""
        living = sum(replica.state in ("starting", "ready") for replica in self.replicas)
        self._asked = (count, self._demand.desired(living, self._clock()))
        self.reconcile()

    @property
    def wanted(self) -> int:
        """How many replicas there should be by what was decided last."""
        return self._wanted if self.awake else 0

    def supersede(self, successor: "Revision | None") -> None:
        """Requests that wait go to the successor; those in a replica may end there."""
        self.successor = successor
        self.activator.close()
        if successor is None:
            self._launcher.templates.drop(self.spec.key)

    def poke(self) -> None:
        """Reconcile soon, once, however often this is called."""
        if not self._poked:
            self._poked = True
            asyncio.get_running_loop().call_soon(self.reconcile)

    def weighed(self) -> Iterator[Weighed]:
        limit_bytes = self.spec.allowance.memory_bytes
        for replica in self.replicas:
            yield Weighed(replica.process.pid, limit_bytes, partial(self._too_heavy, replica))

    async def stop(self, drain_s: float) -> None:
        """Ends all replicas, after the requests they have; no new ones start."""
        self._stopping = True
        self._retire(self.replicas, len(self.replicas), drain_s)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=drain_s + self._settings.grace_s)
        await asyncio.gather(*(replica.process.stop(0) for replica in self.replicas))
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _desired(self, living: int, now_s: float) -> int:
        wanted = self._demand.desired(living, now_s)
        if self._asked is not None:
            count, at_the_time = self._asked
            if wanted == at_the_time and (count or not self.meter.level):
                wanted = count
            else:
                self._asked = None
        self._wanted = wanted
        return wanted

    def _own_demand(self, settings: EmulatorSettings) -> Demand:
        if follows_knative(self.spec):
            return knative_demand(self.spec, self.meter, lambda: self.ready, lambda: self.invocations, self._clock())
        return RequestDemand(self.meter, scale_config(self.spec, settings))

    def _demand_changed(self, by: int) -> None:
        self.meter.change(by, self._clock())
        if by > 0 and self.activator.queued:
            self.poke()

    def _start(self, count: int, now_s: float) -> None:
        if now_s < self._not_before_s:
            return
        for _ in range(count):
            try:
                replica = self._launcher.launch(self.spec)
            except SluiceError as exc:
                self._failed(exc.message)
                return
            self.starts += 1
            self.replicas.append(replica)
            replica.process.exited.add_done_callback(partial(self._exited, replica))
            self._run(self._make_ready(replica), f"start {replica.name}")

    async def _make_ready(self, replica: Replica) -> None:
        ready = await self._prober.until_ready(replica, self.spec, self._settings.start_timeout_s)
        if replica.state != "starting" or not replica.process.alive:
            return
        if ready:
            replica.became_ready()
            self.activator.add(replica)
            if self.starts > 1:
                self._launcher.warm(self.spec)
        else:
            replica.fate = f"not ready after {self._settings.start_timeout_s:g} s"
            await replica.process.stop(0)

    def _retire(self, living: list[Replica], count: int, drain_s: float | None = None) -> None:
        """The emptiest first, and of those the youngest."""
        candidates = [replica for replica in reversed(living) if replica.state in ("starting", "ready")]
        order = sorted(candidates, key=lambda replica: replica.in_flight)
        for replica in order[:count]:
            self.activator.remove(replica)
            patience_s = self.spec.resources.timeout_s if drain_s is None else drain_s
            self._run(replica.retire(patience_s, self._settings.grace_s), f"retire {replica.name}")
            replica.state = "draining"

    def _exited(self, replica: Replica, exited: "asyncio.Future[int]") -> None:
        code = exited.result()
        if replica.cold_start is not None:
            self.cold_starts.append(replica.cold_start)
        unexpected = replica.state != "draining" and not self._stopping
        was_steady = replica.ready_s is not None and time.monotonic() - replica.ready_s >= STEADY_S
        replica.state = "gone"
        self.activator.remove(replica)
        self.replicas.remove(replica)
        if was_steady or (self.spec.queue and code == 0):
            self.failures = 0
        if unexpected:
            self._run(asyncio.to_thread(kill_session, replica.process.pid), f"sweep {replica.name}")
            self._lost(replica, code, counts=not was_steady and not (self.spec.queue and code == 0))

    def _too_heavy(self, replica: Replica, held_bytes: int) -> None:
        if replica.fate or not replica.process.alive:
            return
        self.oom_kills += 1
        replica.fate = in_words(held_bytes, self.spec.allowance.memory_bytes)
        self._launcher.log_of(self.spec.key).write(replica.name, replica.fate)
        self._run(asyncio.to_thread(kill_session, replica.process.pid), f"kill {replica.name}")

    def _lost(self, replica: Replica, code: int, *, counts: bool) -> None:
        last = self._launcher.log_of(self.spec.key).tail(1)
        said = f": {last[0].text[:300]}" if last and last[0].instance == replica.name else ""
        reason = (replica.fate or describe_exit(code)) + (said if code > 0 else "")
        if counts:
            self._failed(reason)
        else:
            self._say(reason)
            self.poke()

    def _say(self, reason: str) -> None:
        self.reason, self._reason_s = reason, self._clock()

    def _failed(self, reason: str) -> None:
        """The next start waits, longer each time in a row."""
        self.failures += 1
        self._say(reason)
        delay_s = crash_delay_s(self.failures)
        self._not_before_s = self._clock() + delay_s
        _log.warning("%s: %s; next start in %.2f s", self.spec.key, reason, delay_s)
        asyncio.get_running_loop().call_later(delay_s, self.poke)

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def scale_config(spec: FunctionSpec, settings: EmulatorSettings) -> ScaleConfig:
    return ScaleConfig(
        min_scale=spec.min_scale,
        max_scale=max(spec.max_scale, spec.min_scale),
        target=target_concurrency(spec.concurrency, spec.labels.get("com.openfaas.scale.target")),
        idle_s=settings.idle_s if spec.idle_s is None else spec.idle_s,
    )
