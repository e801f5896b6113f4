"""What the gateway tells of a function."""

import time
from typing import Any

import psutil

from emulator.openfaas.deployment import Deployment, Json
from emulator.openfaas.platform import Platform
from emulator.revision import Revision


def listed(platform: Platform, namespace: str, *, for_cli: bool) -> list[Json]:
    """By name. `for_cli`: without the label that the platform adds, which `faas-cli diff` takes for a difference."""
    found = [
        (record, platform.fleet.revisions[key])
        for key, record in sorted(platform.deployments.records.items())
        if record.namespace == namespace
    ]
    return [_status(platform, record, revision, label=not for_cli) for record, revision in found]


def one(platform: Platform, record: Deployment, revision: Revision, *, usage: bool) -> Json:
    status = _status(platform, record, revision, label=True)
    if usage:
        status["usage"] = _usage(revision)
    return status


def _status(platform: Platform, record: Deployment, revision: Revision, *, label: bool) -> Json:
    status: dict[str, Any] = {"name": record.service, **record.to_json()}
    del status["service"]
    if label:
        status["labels"]["faas_function"] = record.service
    counts = {
        "invocationCount": platform.metrics.total(record.key),
        "replicas": revision.wanted,
        "availableReplicas": revision.ready,
    }
    return status | {name: count for name, count in counts.items() if count}


def _usage(revision: Revision) -> Json:
    """`cpu` in thousandths of a processor, averaged since each replica started."""
    cpu, memory = 0.0, 0
    for replica in revision.replicas:
        try:
            process = psutil.Process(replica.process.pid)
            with process.oneshot():
                times = process.cpu_times()
                cpu += 1000 * (times.user + times.system) / max(0.1, _age_s(process))
                memory += process.memory_info().rss
        except psutil.Error:
            continue
    return {"cpu": round(cpu, 3), "totalMemoryBytes": memory}


def _age_s(process: psutil.Process) -> float:
    return time.time() - process.create_time()
