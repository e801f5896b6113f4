"""Functions as Knative Services."""

from rendering import pods
from rendering.located import Json
from rendering.stack import Function

AUTOSCALING = "autoscaling.knative.dev"
LONGEST_TIMEOUT_S = 600
COMPONENT = "function"


def objects(function: Function, namespace: str, platform: frozenset[str]) -> list[Json]:
    selector = {"serving.knative.dev/service": function.name}
    return [
        pods.service_account(function.name, namespace, COMPONENT),
        service(function, namespace, platform),
        pods.disruption_budget(function.name, namespace, COMPONENT, selector),
    ]


def service(function: Function, namespace: str, platform: frozenset[str]) -> Json:
    """Only the gateway is reachable from outside the cluster."""
    visibility = {} if function.public else {"networking.knative.dev/visibility": "cluster-local"}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": pods.metadata(function.name, namespace, COMPONENT, **visibility),
        "spec": {
            "template": {
                "metadata": {
                    "labels": pods.own_labels(function.name, COMPONENT),
                    "annotations": {**autoscaling(function), **pods.scraped()},
                },
                "spec": _revision(function, platform),
            }
        },
    }


def autoscaling(function: Function) -> dict[str, str]:
    """A GPU, or one request at a time, is used to the full: the usual 70 % would ask for a second replica too soon."""
    found = function.resources
    annotations = {
        f"{AUTOSCALING}/class": f"kpa.{AUTOSCALING}",
        f"{AUTOSCALING}/metric": "concurrency",
        f"{AUTOSCALING}/min-scale": str(found.min_scale),
        f"{AUTOSCALING}/max-scale": str(found.max_scale),
    }
    if found.concurrency:
        annotations[f"{AUTOSCALING}/target"] = str(found.concurrency)
    if found.gpu or found.concurrency == 1:
        annotations[f"{AUTOSCALING}/target-utilization-percentage"] = "100"
    return annotations


def _revision(function: Function, platform: frozenset[str]) -> Json:
    alive, ready = pods.probe_paths(function)
    container = pods.container(function, platform) | {
        "ports": [{"name": "http1", "containerPort": pods.PORT}],
        "readinessProbe": pods.probe(ready, periodSeconds=5, timeoutSeconds=2),
        "livenessProbe": pods.probe(alive, periodSeconds=10, timeoutSeconds=2, failureThreshold=3),
    }
    return {
        "serviceAccountName": function.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containerConcurrency": function.resources.concurrency,
        "timeoutSeconds": min(function.resources.timeout_s, LONGEST_TIMEOUT_S),
        **pods.placement(function.resources),
        "containers": [container],
        "volumes": pods.volumes(function.secrets),
    }
