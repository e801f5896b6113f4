"""Counts of invocations under the names that the gateway's dashboards and alerts use, and replicas under ours."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from emulator.manifests import DEFAULT_NAMESPACE
from emulator.revision import Revision
from observe.exposition import Exposition, exposition
from observe.metrics import Registry

_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STATES: Final = ("starting", "ready", "draining")


class Invocations:
    """Functions are told apart by `FunctionSpec.key`. `registry` is one emulator's: several may share a process."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._began = registry.counter(
            "gateway_function_invocation_started", "Calls of functions that began.", "function_name"
        )
        self._ended = registry.counter(
            "gateway_function_invocation_total", "Calls of functions that ended, by status.", "code", "function_name"
        )
        self._seconds = registry.histogram(
            "gateway_functions_seconds", "How long calls of functions took.", "code", "function_name", bounds=_BOUNDS
        )
        self._wanted = registry.gauge("gateway_service_count", "Replicas that there should be.", "function_name")
        self._replicas = registry.gauge(
            "sluice_emulator_replicas", "Replicas that there are.", "function_name", "state"
        )
        self._kills = registry.counter(
            "sluice_emulator_oom_kills_total", "Replicas killed for holding too much memory.", "function_name"
        )

    def began(self, key: str) -> None:
        self._began.inc(full_name(key))

    def ended(self, key: str, status: int, seconds: float) -> None:
        code, name = str(status), full_name(key)
        self._ended.inc(code, name)
        self._seconds.observe(seconds, code, name)

    def total(self, key: str) -> int:
        name = full_name(key)
        return int(sum(count for labels, count in self._ended.samples() if labels[1] == name))

    def succeeded(self, key: str) -> int:
        return int(dict(self._ended.samples()).get(("200", full_name(key)), 0))

    def exposition(self, accept: str, revisions: Mapping[str, Revision]) -> Exposition:
        """With how the functions that are deployed stand now."""
        for instrument in (self._wanted, self._replicas, self._kills):
            instrument.forget()
        for key, revision in revisions.items():
            name = full_name(key)
            self._wanted.set(revision.wanted, name)
            self._kills.inc(name, by=revision.oom_kills)
            states = [replica.state for replica in revision.replicas]
            for state in _STATES:
                self._replicas.set(states.count(state), name, state)
        return exposition(accept, self._registry)


@lru_cache(maxsize=1024)
def full_name(key: str) -> str:
    return key if "." in key else f"{key}.{DEFAULT_NAMESPACE}"
