"""Spans on their way out: through a queue with a bound, by a thread of its own. Nobody ever waits for it."""

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from observe import metrics
from observe.span import Span

_DROPPED: Final = (
    metrics.counter("sluice_telemetry_dropped_total", "Spans that were given up.", "signal", "reason")
    .expect("traces", "queue_full")
    .expect("traces", "export_failed")
)

log = logging.getLogger(__name__)

# Whether they arrived. It may take its time, and raise anything.
Send: TypeAlias = Callable[[Sequence[Span]], bool]

SAY_EVERY_S = 60.0
_WHY: Final = {
    "queue_full": "they come faster than whoever OTEL_EXPORTER_OTLP_ENDPOINT names takes them",
    "export_failed": "whoever OTEL_EXPORTER_OTLP_ENDPOINT names does not answer, or refuses them",
}
# Milliseconds up to eleven days: nothing can wait for ever longer.
_WHOLE: Final = re.compile("0*[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Limits:
    """How many spans wait at most, how many leave at once, and after how long those that are fewer."""

    queue: int = 2048
    batch: int = 512
    delay_s: float = 5.0

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Limits":
        """From the standard OTEL_BSP_… variables. What is not understood is said; the standard's value holds."""

        def whole(name: str, default: int) -> int:
            value = variables.get(name, "").strip()
            if _WHOLE.fullmatch(value):
                return int(value)
            if value:
                log.warning("%s is no whole number from 1 to 999,999,999; it is taken for %d", name, default)
            return default

        queue = whole("OTEL_BSP_MAX_QUEUE_SIZE", cls.queue)
        delay_ms = whole("OTEL_BSP_SCHEDULE_DELAY", int(cls.delay_s * 1000))
        return cls(queue, min(queue, whole("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", cls.batch)), delay_ms / 1000)


@dataclass(frozen=True, slots=True)
class Counts:
    """Spans of this process: which arrived, which were given up because nobody took them in time, which wait."""

    exported: int = 0
    dropped: int = 0
    waiting: int = 0


class Exporter:
    """`make` runs in the thread, with the first span: whatever it imports costs no answer a moment."""

    def __init__(self, make: Callable[[], Send], limits: Limits) -> None:
        self._make = make
        self._limits = limits
        self._waiting: deque[Span] = deque()
        self._flushes: deque[threading.Event] = deque()
        self._wake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._exported = self._dropped = 0
        self._said_s = -SAY_EVERY_S

    @property
    def counts(self) -> Counts:
        return Counts(self._exported, self._dropped, len(self._waiting))

    def put(self, span: Span) -> None:
        if len(self._waiting) >= self._limits.queue:
            self._drop(1, "queue_full")
            return
        self._waiting.append(span)
        if self._thread is None:
            self._start()
        elif len(self._waiting) >= self._limits.batch:
            self._wake.set()

    def flush(self, timeout_s: float) -> bool:
        """Whether everything that was put before has left, or been given up, in time."""
        if self._thread is None:
            return True
        done = threading.Event()
        self._flushes.append(done)
        self._wake.set()
        return done.wait(timeout_s)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        send: Send | None = None
        while True:
            self._wake.wait(self._limits.delay_s)
            self._wake.clear()
            flushes = [self._flushes.popleft() for _ in range(len(self._flushes))]
            while batch := self._take():
                try:
                    send = send or self._make()
                    arrived = send(batch)
                except Exception:
                    arrived = False
                    log.debug("spans not exported", exc_info=True)
                self._settle(len(batch), arrived=arrived)
            for flush in flushes:
                flush.set()

    def _take(self) -> list[Span]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._limits.batch))]

    def _settle(self, count: int, *, arrived: bool) -> None:
        if arrived:
            self._exported += count
        else:
            self._drop(count, "export_failed")

    def _drop(self, count: int, reason: str) -> None:
        self._dropped += count
        _DROPPED.inc("traces", reason, by=count)
        now_s = time.monotonic()
        if now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            log.warning(
                "spans were dropped: %s",
                _WHY[reason],
                extra={"action": "telemetry.dropped", "count": self._dropped, "reason": reason},
            )
