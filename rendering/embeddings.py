"""A tier's embeddings servers: text-embeddings-inference, behind the address that the CPU function has elsewhere."""

from rendering import keda, network, pods
from rendering.classes import Server, Tier
from rendering.description import Description
from rendering.located import Json

COMPONENT = "inference"
# Documents whose chunks wait for vectors or are being embedded, whatever Redis knows of them.
WAITING = "SELECT count(*) FROM documents WHERE state = 'embedding'"
DOCUMENTS_PER_REPLICA = "20000"
MODEL_DIR = "/data"
MODEL_GIB = 10
CALLERS = ("embed", "embed-worker", "search")
WAIT = ("python", "-m", "shared.runtime.healthcheck", "--wait", "1800")


def objects(tier: Tier, description: Description) -> list[Json]:
    """Nothing where a function serves the model."""
    if tier.inference is None:
        return []
    namespace = description.namespace
    gpu = tier.inference
    callers = CALLERS if tier.queries is None else CALLERS[:2]
    found = [*_server(gpu, namespace, callers, _claim(gpu)), _volume_claim(gpu, namespace)]
    if tier.queries is not None:
        found += _server(tier.queries, namespace, CALLERS[2:], {"emptyDir": {"sizeLimit": f"{MODEL_GIB}Gi"}})
    return found


def scaling(tier: Tier, description: Description) -> list[Json]:
    """Up for embed work, never down while there is any; for questions only where they have no other server."""
    if tier.inference is None:
        return []
    server = tier.inference
    found = server.resources
    triggers = [
        keda.sql_trigger(WAITING, DOCUMENTS_PER_REPLICA),
        *keda.queue_triggers("embed", waiting=keda.MANY, running=keda.MANY),
    ]
    minimum = found.min_scale if tier.queries is not None else max(1, found.min_scale)
    objects = [
        keda.scaled_object(server.name, description.namespace, minimum, found.max_scale, triggers, cooldown_s=600)
    ]
    if tier.queries is not None:
        objects.append(_by_load(tier.queries, description.namespace))
    return objects


def wait_container(image: str, url: str) -> Json:
    """A worker's first container: no document is tried before the model answers, however long its node takes."""
    return {
        "name": "wait-for-inference",
        "image": image,
        "command": [*WAIT, url],
        "securityContext": pods.security(),
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "250m", "memory": "64Mi"}},
    }


def health_url(server: Server, namespace: str) -> str:
    return f"http://{server.name}.{namespace}.svc.cluster.local/health"


def _server(server: Server, namespace: str, callers: tuple[str, ...], model_volume: Json) -> list[Json]:
    labels = pods.own_labels(server.name, COMPONENT)
    return [
        pods.service_account(server.name, namespace, COMPONENT),
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": pods.metadata(server.name, namespace, COMPONENT),
            "spec": {
                "selector": {"matchLabels": labels},
                # A second GPU for the time of an update is rarely there.
                "strategy": {"type": "Recreate"},
                "template": {
                    "metadata": {"labels": labels, "annotations": pods.scraped()},
                    "spec": _pod(server, model_volume),
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": pods.metadata(server.name, namespace, COMPONENT),
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        },
        pods.disruption_budget(server.name, namespace, COMPONENT, labels),
        network.served_to(server.name, namespace, callers),
    ]


def _pod(server: Server, model_volume: Json) -> Json:
    arguments = ["--model-id", server.model, "--port", str(pods.PORT), "--huggingface-hub-cache", MODEL_DIR]
    container = {
        "name": "server",
        "image": server.image,
        "args": [*arguments, *server.args],
        "ports": [{"name": "http", "containerPort": pods.PORT}],
        "startupProbe": pods.probe("/health", pods.PORT, periodSeconds=5, failureThreshold=360),
        "readinessProbe": pods.probe("/health", pods.PORT, periodSeconds=5, timeoutSeconds=3),
        "livenessProbe": pods.probe("/health", pods.PORT, periodSeconds=15, timeoutSeconds=5, failureThreshold=4),
        "securityContext": pods.security(),
        "resources": pods.resources(server.resources),
        "volumeMounts": [
            {"name": "model", "mountPath": MODEL_DIR},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }
    return {
        "serviceAccountName": server.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": server.resources.timeout_s + 30,
        "securityContext": {"fsGroup": pods.USER},
        **pods.placement(server.resources),
        "containers": [container],
        "volumes": [{"name": "model", **model_volume}, {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}],
    }


def _claim(server: Server) -> Json:
    return {"persistentVolumeClaim": {"claimName": f"{server.name}-model"}}


def _volume_claim(server: Server, namespace: str) -> Json:
    """Its files are fetched once, not at each start from zero."""
    mode = "ReadWriteOnce" if server.resources.max_scale == 1 else "ReadWriteMany"
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": pods.metadata(f"{server.name}-model", namespace, COMPONENT),
        "spec": {"accessModes": [mode], "resources": {"requests": {"storage": f"{MODEL_GIB}Gi"}}},
    }


def _by_load(server: Server, namespace: str) -> Json:
    """Questions are short, and a person waits: as busy processors become, so many servers."""
    found = server.resources
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": pods.metadata(server.name, namespace, COMPONENT),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": server.name},
            "minReplicas": max(1, found.min_scale),
            "maxReplicas": found.max_scale,
            "metrics": [metric],
        },
    }
