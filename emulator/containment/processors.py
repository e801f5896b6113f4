"""CPU limits without cgroups: a replica's threads stay on as many processors as it may use, and give way to others.

Below one processor nothing but its weight can be limited: 500m gets about half of what 1000m gets, when both want more
than there is. On a machine with few processors nobody is bound to one, since that would leave the others idle.
"""

import contextlib
import math
import os
from collections import Counter
from collections.abc import Sequence

WORTH_BINDING = 4
# From one niceness to the next the kernel's scheduler gives a fifth less.
_WEIGHT_STEP = 1.25
_NICEST = 19


def niceness(cpu_millis: int) -> int:
    """0 for a whole processor or more, and for no limit."""
    if not 0 < cpu_millis < 1000:
        return 0
    return min(_NICEST, round(math.log(1000 / cpu_millis, _WEIGHT_STEP)))


class Processors:
    """Hands those out first on which the fewest replicas are."""

    def __init__(self, available: Sequence[int] | None = None, worth_binding: int = WORTH_BINDING) -> None:
        self._users: Counter[int] = Counter(dict.fromkeys(_ours() if available is None else available, 0))
        self._worth_binding = worth_binding

    def take(self, cpu_millis: int) -> frozenset[int]:
        """None of them means any of them."""
        count = math.ceil(cpu_millis / 1000)
        if not 0 < count < len(self._users) or len(self._users) < self._worth_binding:
            return frozenset()
        chosen = sorted(self._users, key=lambda each: (self._users[each], each))[:count]
        self._users.update(chosen)
        return frozenset(chosen)

    def give_back(self, taken: frozenset[int]) -> None:
        self._users.subtract(taken)


def confine(pid: int, cpu_millis: int, processors: frozenset[int]) -> None:
    """A process that has not started another yet. One that is gone already needs nothing."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if nice := niceness(cpu_millis):
            os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid) + nice)
        if processors and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(pid, processors)


def _ours() -> Sequence[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)
