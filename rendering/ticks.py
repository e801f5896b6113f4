"""Who wakes the orchestrator for what is overdue: a KEDA ScaledJob, or a PingSource where there is no KEDA."""

from rendering import keda, pods
from rendering.description import Description
from rendering.eventing import CLUSTER_SCHEDULE
from rendering.located import Json

NAME = "tick"
COMMAND = ("python", "-m", "shared.runtime.tick")
OVERDUE = "SELECT overdue::int FROM overdue"
COMPONENT = "tick"


def by_keda(description: Description) -> list[Json]:
    """A Job sends one tick while the database says that a sweep would find something: zero stays zero."""
    orchestrator = description.function(description.eventing.ticked)
    pod = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "containers": [
            {
                "name": NAME,
                "image": orchestrator.image,
                "command": list(COMMAND),
                "envFrom": pods.sources(stores_objects=False),
                "securityContext": pods.security(),
                "resources": {
                    "requests": {"cpu": "20m", "memory": "64Mi"},
                    "limits": {"cpu": "250m", "memory": "64Mi"},
                },
            }
        ],
    }
    job = {
        "apiVersion": keda.API,
        "kind": "ScaledJob",
        "metadata": pods.metadata(NAME, description.namespace, COMPONENT),
        "spec": {
            "jobTargetRef": {
                "activeDeadlineSeconds": 60,
                "backoffLimit": 0,
                "ttlSecondsAfterFinished": 60,
                "template": {"metadata": {"labels": pods.own_labels(NAME, COMPONENT)}, "spec": pod},
            },
            "pollingInterval": 5,
            "minReplicaCount": 0,
            "maxReplicaCount": 1,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "triggers": [keda.sql_trigger(OVERDUE, "1")],
        },
    }
    return [pods.service_account(NAME, description.namespace, COMPONENT), job]


def by_ping(description: Description) -> list[Json]:
    """Ticks at any rate, needed or not, and so at a slower one: each keeps the orchestrator up for a minute."""
    ping = description.eventing.ping
    meta = ping["metadata"]
    schedule = (meta.get("annotations") or {}).get(CLUSTER_SCHEDULE, "*/5 * * * *")
    labels = pods.own_labels(meta["name"], COMPONENT)
    plain = {"name": meta["name"], "namespace": meta["namespace"], "labels": labels}
    return [ping | {"metadata": plain, "spec": ping["spec"] | {"schedule": schedule}}]
