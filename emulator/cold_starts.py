"""Cold starts as they happen: counted for the metrics, and told in words."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from emulator.manifests import DEFAULT_NAMESPACE
from observe.metrics import Registry

How: TypeAlias = Literal["exec", "template"]
Phase: TypeAlias = Literal["spawn", "ready", "first_byte"]

_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True)
class ColdStart:
    """Milliseconds from the decision to start: until the process ran, was ready, had sent its first byte.

    The time that a replica stood ready and nobody asked it for anything is left out of the last.
    """

    spawn_ms: float
    ready_ms: float
    first_byte_ms: float | None
    how: How = "exec"

    def ready_in_words(self) -> str:
        how = "forked from its template" if self.how == "template" else "started"
        return f"{how} in {self.spawn_ms:g} ms, ready after {self.ready_ms:g} ms"

    def first_byte_in_words(self) -> str:
        return f"sent its first byte, {self.first_byte_ms:g} ms of work after it was asked for"


class ColdStarts:
    """Histograms by function, kind of start and phase. Functions are told apart by `FunctionSpec.key`."""

    def __init__(self, registry: Registry) -> None:
        self._seconds = registry.histogram(
            "sluice_emulator_cold_start_seconds",
            "From the decision to start a replica: until it ran, was ready, sent its first byte.",
            *("function_name", "phase", "start"),
            bounds=_BOUNDS_S,
        )

    def ready(self, key: str, start: ColdStart) -> None:
        self._observe(key, start.how, "spawn", start.spawn_ms)
        self._observe(key, start.how, "ready", start.ready_ms)

    def first_byte(self, key: str, start: ColdStart) -> None:
        assert start.first_byte_ms is not None
        self._observe(key, start.how, "first_byte", start.first_byte_ms)

    def _observe(self, key: str, how: How, phase: Phase, milliseconds: float) -> None:
        name = key if "." in key else f"{key}.{DEFAULT_NAMESPACE}"
        self._seconds.observe(milliseconds / 1000, name, phase, how)
