"""Where a laptop keeps its traces, and how much of them."""

from dataclasses import dataclass
from typing import Final

from shared.settings import Environment

TRACES_FILE: Final = "traces.db"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is older, or too much, goes: the traces that nobody added to for the longest time first."""

    size_bytes: int = 256 * 1024 * 1024
    age_s: float = 72 * 3600.0
    spans_a_trace: int = 5_000

    @classmethod
    def read(cls, env: Environment) -> "Bounds":
        return cls(
            size_bytes=env.integer("SLUICE_TRACES_MB", 256, minimum=1) * 1024 * 1024,
            age_s=env.number("SLUICE_TRACES_HOURS", 72.0, minimum=0.01) * 3600,
        )
