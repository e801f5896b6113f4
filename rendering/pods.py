"""What every pod of ours has: labels, probes, secrets as files, and no more rights than it needs."""

from collections.abc import Mapping

from rendering.classes import ResourceClass
from rendering.located import Json
from rendering.stack import Function

PORT = 8080
USER = 10001
SECRETS_DIR = "/var/openfaas/secrets"
SETTINGS, TIER_SETTINGS, OBJECT_STORE = "sluice-settings", "sluice-tier", "sluice-object-store"
# An endpoint may ask for no key.
OPTIONAL_SECRETS = frozenset({"embedding-api-key"})
GPU = "nvidia.com/gpu"


def metadata(name: str, namespace: str, component: str, **labels: str) -> Json:
    return {"name": name, "namespace": namespace, "labels": own_labels(name, component) | labels}


def own_labels(name: str, component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "sluice",
    }


def scraped() -> dict[str, str]:
    """What Prometheus and Alloy look for on a pod, and faas-netes copies there."""
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT), "prometheus.io/path": "/metrics"}


def security() -> Json:
    """What the restricted Pod Security Standard asks for, and a root filesystem that nobody can write to."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def resources(of: ResourceClass) -> Json:
    gpu = {GPU: str(of.gpu)} if of.gpu else {}
    return {"requests": of.requests | gpu, "limits": of.limits | gpu}


def placement(of: ResourceClass) -> Json:
    """Node selector and tolerations, where the class names them."""
    found: Json = {}
    if of.node_selector:
        found["nodeSelector"] = dict(of.node_selector)
    if of.tolerations:
        found["tolerations"] = [dict(each) for each in of.tolerations]
    return found


def container(function: Function, platform: frozenset[str]) -> Json:
    """`platform` are the settings that the cluster decides; the rest of the stack's environment goes along."""
    own = [{"name": name, "value": text} for name, text in function.environment.items() if name not in platform]
    return {
        "name": "function",
        "image": function.image,
        "command": list(function.command),
        **({"env": own} if own else {}),
        "envFrom": sources(stores_objects="OBJECT_STORE_URL" in function.environment),
        "securityContext": security(),
        "resources": resources(function.resources),
        "volumeMounts": mounts(function.secrets),
    }


def sources(*, stores_objects: bool) -> list[Json]:
    maps: list[Json] = [{"configMapRef": {"name": name}} for name in (SETTINGS, TIER_SETTINGS)]
    keys: Json = {"secretRef": {"name": OBJECT_STORE, "optional": True}}
    return [*maps, keys] if stores_objects else maps


def mounts(secrets: tuple[str, ...]) -> list[Json]:
    found: list[Json] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    if secrets:
        found.append({"name": "secrets", "mountPath": SECRETS_DIR, "readOnly": True})
    return found


def volumes(secrets: tuple[str, ...]) -> list[Json]:
    """A file a secret, as OpenFaaS mounts them: each a Secret of its name with a key of its name."""
    found: list[Json] = [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]
    if secrets:
        found.append({"name": "secrets", "projected": {"sources": [_source(name) for name in secrets]}})
    return found


def _source(name: str) -> Json:
    optional = {"optional": True} if name in OPTIONAL_SECRETS else {}
    return {"secret": {"name": name, "items": [{"key": name, "path": name}], **optional}}


def probe(path: str, port: int | None = None, **times: int) -> Json:
    """Without a port it is the container's own, as Knative wants it."""
    return {"httpGet": {"path": path, **({"port": port} if port else {})}, **times}


def probe_paths(function: Function) -> tuple[str, str]:
    """(alive, ready)."""
    return ("/health", "/ready") if function.module == "gateway.main" else ("/healthz", "/readyz")


def disruption_budget(name: str, namespace: str, component: str, selector: Mapping[str, str]) -> Json:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name, namespace, component),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(selector)}},
    }


def service_account(name: str, namespace: str, component: str) -> Json:
    """Nobody here talks to the Kubernetes API."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(name, namespace, component),
        "automountServiceAccountToken": False,
    }
