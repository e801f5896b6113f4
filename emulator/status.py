"""What the emulator knows of its functions, as JSON values."""

from dataclasses import asdict
from typing import Any

from emulator.fleet import Fleet
from emulator.replica import Replica
from emulator.revision import Revision


def functions_status(fleet: Fleet) -> list[dict[str, Any]]:
    return [_function(revision, fleet) for revision in fleet.revisions.values()]


def _function(revision: Revision, fleet: Fleet) -> dict[str, Any]:
    spec = revision.spec
    states = [replica.state for replica in revision.replicas]
    status: dict[str, Any] = {
        "name": spec.name,
        "namespace": spec.namespace,
        "image": spec.image,
        "class": spec.resources.name,
        "min": spec.min_scale,
        "max": spec.max_scale,
        "limits": {"memory_bytes": spec.allowance.memory_bytes, "cpu_millis": spec.allowance.cpu_millis},
        "ready": states.count("ready"),
        "starting": states.count("starting"),
        "draining": states.count("draining"),
        "in_flight": sum(replica.in_flight for replica in revision.replicas),
        "queued": revision.activator.queued,
        "invocations": revision.invocations,
        "starts": revision.starts,
        "failures": revision.failures,
        "oom_kills": revision.oom_kills,
        "reason": revision.reason,
        "reason_age_s": revision.reason_age_s,
        "reloaded": revision.reloaded,
        "cold_starts": _cold_starts(revision),
        "replicas": [_replica(replica) for replica in revision.replicas],
    }
    if spec.queue is not None:
        depth = fleet.queues[spec.queue].depth
        status["queue"] = {"name": spec.queue, "waiting": depth.waiting, "running": depth.running}
    return status


def _cold_starts(revision: Revision) -> list[dict[str, Any]]:
    """The last ones, oldest first."""
    running = [replica.cold_start for replica in revision.replicas if replica.cold_start is not None]
    return [asdict(start) for start in [*revision.cold_starts, *running]]


def _replica(replica: Replica) -> dict[str, Any]:
    return {
        "name": replica.name,
        "pid": replica.process.pid,
        "port": replica.port,
        "state": replica.state,
        "in_flight": replica.in_flight,
    }
