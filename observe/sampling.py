"""Which traces are kept: decided by the trace's id alone, so that every process decides alike without asking."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from observe.context import TraceContext

log = logging.getLogger(__name__)

# The part of an id that W3C wants random. OpenTelemetry's own sampler looks at 64 bits, of which a document's id, a
# UUID, fixes two: it would keep all or nothing.
_RANDOM_BITS: Final = 56
_RATIOS: Final[Mapping[str, float | None]] = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}
_DEFAULT: Final = "parentbased_always_on"


@dataclass(frozen=True, slots=True)
class Sampler:
    """`ratio` of all traces. With `follows_parent` whoever began a trace has decided for all its spans."""

    ratio: float = 1.0
    follows_parent: bool = True

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Sampler":
        """From OTEL_TRACES_SAMPLER and its _ARG. What is not understood is no reason to stop, says the standard."""
        name = variables.get("OTEL_TRACES_SAMPLER", "").strip().lower() or _DEFAULT
        kind = name.removeprefix("parentbased_")
        if kind not in _RATIOS:
            log.warning("OTEL_TRACES_SAMPLER is none of the standard ones; every trace is kept")
            return cls()
        ratio = _RATIOS[kind]
        return cls(_ratio(variables) if ratio is None else ratio, follows_parent=kind != name)

    def keeps(self, trace_id: str, parent: TraceContext | None = None) -> bool:
        if parent is not None and self.follows_parent:
            return parent.sampled
        return int(trace_id[-_RANDOM_BITS // 4 :], 16) < self.ratio * (1 << _RANDOM_BITS)


def _ratio(variables: Mapping[str, str]) -> float:
    given = variables.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or "1"
    try:
        ratio = float(given)
    except ValueError:
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        log.warning("OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1; every trace is kept")
        return 1.0
    return ratio
