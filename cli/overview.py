"""Two looks at a platform as what an operator asks: what runs, what waits, how fast it goes, what is slowest. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from cli.numbers import Labels
from cli.trouble import trouble

STATES: Final = ("pending", "scraping", "chunking", "embedding", "indexed", "unchanged", "failed", "cancelled")
STAGES: Final = ("scrape", "chunk", "embed")
_SUM, _COUNT = "gateway_functions_seconds_sum", "gateway_functions_seconds_count"


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at `at_s`: the emulator's status, the numbers of emulator and gateway, and the running jobs."""

    at_s: float
    status: Mapping[str, Any]
    numbers: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)
    jobs: Sequence[Mapping[str, Any]] = ()

    def number(self, name: str, **labels: str) -> float | None:
        return self.numbers.get(name, {}).get(frozenset(labels.items()))

    def total(self, name: str, **labels: str) -> float:
        """Of all with these labels, among others."""
        wanted = frozenset(labels.items())
        return sum(value for each, value in self.numbers.get(name, {}).items() if wanted <= each)


@dataclass(frozen=True, slots=True)
class FunctionLine:
    """`calls_per_s` and `mean_s` are of the time between the looks; `mean_s` of all time if nobody called."""

    name: str
    ready: int
    replicas: int
    in_flight: int
    queued: int
    waiting: int | None
    running: int | None
    calls_per_s: float
    mean_s: float | None
    cold_start_s: float | None
    trouble: str


@dataclass(frozen=True, slots=True)
class Overview:
    """`oldest_s` is by stage. `slowest` names, of those called between the looks, whose calls took longest."""

    ready: bool
    up_s: float
    port: int
    functions: list[FunctionLine]
    documents: dict[str, int]
    waiting: dict[str, int]
    oldest_s: dict[str, float]
    domains_waiting: int
    longest_domain_wait_s: float
    outbox: int
    dead_letters: int
    webhooks: int
    slowest: str | None
    jobs: list[dict[str, Any]]
    trouble: list[str]
    observing: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def overview(before: Look, now: Look) -> Overview:
    status = now.status
    functions = [_function(before, now, each) for each in sorted(status.get("functions", []), key=_by_name)]
    called = [each for each in functions if each.calls_per_s > 0 and each.mean_s is not None]
    slowest = max(called, key=lambda each: each.mean_s or 0.0, default=None)
    return Overview(
        ready=bool(status.get("ready")),
        up_s=max(0.0, now.at_s - status.get("since", now.at_s)),
        port=int(status.get("port", 0)),
        functions=functions,
        documents={state: count for state in STATES if (count := int(now.total("sluice_documents", state=state)))},
        waiting={stage: int(now.number("sluice_ready_documents", stage=stage) or 0) for stage in ("scrape", "embed")},
        oldest_s={
            stage: seconds for stage in STAGES if (seconds := now.number("sluice_oldest_ready_seconds", stage=stage))
        },
        domains_waiting=int(now.total("sluice_waiting_domains")),
        longest_domain_wait_s=max(now.numbers.get("sluice_domain_wait_longest_seconds", {}).values(), default=0.0),
        outbox=int(now.total("sluice_outbox_events")),
        dead_letters=int(now.total("sluice_dead_letters")),
        webhooks=int(now.total("sluice_webhooks_waiting")),
        slowest=slowest.name if slowest else None,
        jobs=[_job(each) for each in now.jobs],
        trouble=list(_trouble(now, functions)),
        observing=status.get("observing") is not None,
    )


def _by_name(function: Mapping[str, Any]) -> str:
    return str(function["name"])


def _function(before: Look, now: Look, said: Mapping[str, Any]) -> FunctionLine:
    name = str(said["name"])
    seconds = max(now.at_s - before.at_s, 0.001)
    earlier = next((each["invocations"] for each in before.status.get("functions", []) if each["name"] == name), 0)
    queue: Mapping[str, int] = said.get("queue", {})
    starts: Sequence[Mapping[str, Any]] = said.get("cold_starts", ())
    return FunctionLine(
        name=name,
        ready=said["ready"],
        replicas=len(said["replicas"]),
        in_flight=said["in_flight"],
        queued=said["queued"],
        waiting=queue.get("waiting"),
        running=queue.get("running"),
        calls_per_s=round(max(0, said["invocations"] - earlier) / seconds, 2),
        mean_s=_mean_s(before, now, f"{name}.{said['namespace']}"),
        cold_start_s=starts[-1]["ready_ms"] / 1000 if starts else None,
        trouble=trouble(said),
    )


def _mean_s(before: Look, now: Look, full_name: str) -> float | None:
    earlier = before.total(_SUM, function_name=full_name), before.total(_COUNT, function_name=full_name)
    later = now.total(_SUM, function_name=full_name), now.total(_COUNT, function_name=full_name)
    if later[1] > earlier[1]:
        return (later[0] - earlier[0]) / (later[1] - earlier[1])
    return later[0] / later[1] if later[1] else None


def _job(said: Mapping[str, Any]) -> dict[str, Any]:
    progress = said["progress"]
    return {
        "job_id": said["job_id"],
        "corpus": said["corpus"],
        "documents": said["documents"],
        "ended": progress["ended"],
        "rate_per_s": progress["rate_per_s"],
        "eta_s": progress["eta_s"],
    }


def _trouble(now: Look, functions: Sequence[FunctionLine]) -> Iterator[str]:
    for function in functions:
        if function.trouble:
            yield f"{function.name}: {function.trouble}"
    for labels, value in now.numbers.get("sluice_breaker_open", {}).items():
        if value:
            yield f"the circuit breaker before {dict(labels).get('breaker', 'a service')} is open"
    if letters := int(now.total("sluice_dead_letters")):
        yield f"{letters:,} dead letter{'' if letters == 1 else 's'}"
    if faults := now.status.get("faults"):
        yield f"{len(faults)} fault{'' if len(faults) == 1 else 's'} armed"
    for name, service in now.status.get("services", {}).items():
        if not service["ready"]:
            yield f"{name} is not ready"
