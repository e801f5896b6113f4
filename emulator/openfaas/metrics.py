"""Counts of invocations under the names that the gateway's dashboards and alerts use."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from emulator.manifests import DEFAULT_NAMESPACE

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LABELS = (*(f"{bound:g}" for bound in _BOUNDS), "+Inf")


@dataclass
class _Answers:
    """Those with one status code; `buckets` counts each answer once."""

    count: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * len(_LABELS))


@dataclass
class _Function:
    began: int = 0
    ended: int = 0
    by_code: dict[int, _Answers] = field(default_factory=dict)


class Invocations:
    """Functions are told apart by `FunctionSpec.key`."""

    def __init__(self) -> None:
        self._functions: dict[str, _Function] = {}

    def began(self, key: str) -> None:
        self._of(key).began += 1

    def ended(self, key: str, status: int, seconds: float) -> None:
        function = self._of(key)
        function.ended += 1
        answers = function.by_code.get(status)
        if answers is None:
            answers = function.by_code[status] = _Answers()
        answers.count += 1
        answers.seconds += seconds
        answers.buckets[bisect_left(_BOUNDS, seconds)] += 1

    def total(self, key: str) -> int:
        found = self._functions.get(key)
        return 0 if found is None else found.ended

    def succeeded(self, key: str) -> int:
        found = self._functions.get(key)
        return found.by_code[200].count if found is not None and 200 in found.by_code else 0

    def exposition(self, replicas: Iterable[tuple[str, int]]) -> str:
        """Prometheus text; `replicas` is how many of each there should be."""
        known = sorted((full_name(key), function) for key, function in self._functions.items())
        lines = [
            *_head("gateway_function_invocation_started", "counter", "Calls of functions that began"),
            *(
                f'gateway_function_invocation_started{{function_name="{name}"}} {function.began}'
                for name, function in known
            ),
            *_head("gateway_function_invocation_total", "counter", "Calls of functions that ended, by status"),
        ]
        for name, code, answers in _answers(known):
            lines.append(f'gateway_function_invocation_total{{code="{code}",function_name="{name}"}} {answers.count}')
        lines += _head("gateway_functions_seconds", "histogram", "How long calls of functions took")
        for name, code, answers in _answers(known):
            lines += _histogram(f'code="{code}",function_name="{name}"', answers)
        lines += _head("gateway_service_count", "gauge", "Replicas that there should be")
        lines += [
            f'gateway_service_count{{function_name="{name}"}} {count}'
            for name, count in sorted((full_name(key), count) for key, count in replicas)
        ]
        return "\n".join(lines) + "\n"

    def _of(self, key: str) -> _Function:
        found = self._functions.get(key)
        if found is None:
            found = self._functions[key] = _Function()
        return found


def full_name(key: str) -> str:
    return key if "." in key else f"{key}.{DEFAULT_NAMESPACE}"


def _answers(known: list[tuple[str, _Function]]) -> list[tuple[str, int, _Answers]]:
    return [(name, code, function.by_code[code]) for name, function in known for code in sorted(function.by_code)]


def _histogram(labels: str, answers: _Answers) -> list[str]:
    lines, below = [], 0
    for bound, count in zip(_LABELS, answers.buckets, strict=True):
        below += count
        lines.append(f'gateway_functions_seconds_bucket{{{labels},le="{bound}"}} {below}')
    lines.append(f"gateway_functions_seconds_sum{{{labels}}} {answers.seconds:.9f}")
    lines.append(f"gateway_functions_seconds_count{{{labels}}} {answers.count}")
    return lines


def _head(name: str, kind: str, help_text: str) -> tuple[str, str]:
    return f"# HELP {name} {help_text}.", f"# TYPE {name} {kind}"
