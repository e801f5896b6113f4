"""Workers: Deployments that KEDA scales by their RQ queue."""

from rendering import keda, pods
from rendering.located import Json
from rendering.stack import Function

COMPONENT = "worker"
# On top of the longest job: a stopped worker finishes what it has in hand.
MARGIN_S = 60


def objects(function: Function, namespace: str, platform: frozenset[str]) -> list[Json]:
    """What the cluster runs; `scaling` is apart."""
    selector = pods.own_labels(function.name, COMPONENT)
    return [
        pods.service_account(function.name, namespace, COMPONENT),
        deployment(function, namespace, platform),
        pods.disruption_budget(function.name, namespace, COMPONENT, selector),
    ]


def scaling(function: Function, namespace: str) -> Json:
    assert function.queue is not None
    found = function.resources
    triggers = keda.queue_triggers(function.queue)
    return keda.scaled_object(function.name, namespace, found.min_scale, found.max_scale, triggers)


def deployment(function: Function, namespace: str, platform: frozenset[str]) -> Json:
    """Without `replicas`: applying it again leaves to KEDA what KEDA decided."""
    labels = pods.own_labels(function.name, COMPONENT)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": pods.metadata(function.name, namespace, COMPONENT),
        "spec": {
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": labels, "annotations": pods.scraped()},
                "spec": _pod(function, platform),
            },
        },
    }


def _pod(function: Function, platform: frozenset[str]) -> Json:
    alive, ready = pods.probe_paths(function)
    container = pods.container(function, platform) | {
        "ports": [{"name": "http", "containerPort": pods.PORT}],
        "readinessProbe": pods.probe(ready, pods.PORT, periodSeconds=5, timeoutSeconds=3),
        "livenessProbe": pods.probe(alive, pods.PORT, periodSeconds=15, timeoutSeconds=3, failureThreshold=4),
    }
    return {
        "serviceAccountName": function.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": function.resources.timeout_s + MARGIN_S,
        **pods.placement(function.resources),
        "containers": [container],
        "volumes": pods.volumes(function.secrets),
    }
