"""The Knative form: a kustomize base, what KEDA scales, two kinds of tick, and an overlay a tier."""

from collections.abc import Mapping
from typing import Literal

from rendering import embeddings, events, keda, migration, network, services, settings, ticks, workers
from rendering.classes import Tier
from rendering.description import Description
from rendering.located import Json
from rendering.stack import EMBED_WORKER, INFERENCE

Tick = Literal["keda", "ping"]
TICKS: tuple[Tick, ...] = ("keda", "ping")
# File to objects, below deploy/.
Files = Mapping[str, list[Json]]


def base(description: Description) -> Files:
    """What is the same in every tier."""
    namespace, platform = description.namespace, settings.platform(description)
    served = [each for each in description.services if each.name != INFERENCE]
    standing = [each for each in description.workers if each.name != EMBED_WORKER]
    return {
        "namespace.yaml": [_namespace(namespace)],
        "settings.yaml": [settings.config_map("sluice-settings", namespace, settings.connections(description))],
        "migration.yaml": migration.objects(description),
        "eventing.yaml": events.objects(description),
        "network.yaml": network.objects(description),
        **{f"{each.name}.yaml": services.objects(each, namespace, platform) for each in served},
        **{f"{each.name}.yaml": workers.objects(each, namespace, platform) for each in standing},
    }


def scaling(description: Description) -> Files:
    """KEDA's part, but for the tiers' own."""
    return {
        "authentication.yaml": keda.authentications(description.namespace),
        "workers.yaml": [workers.scaling(each, description.namespace) for each in description.workers],
    }


def tick(description: Description, kind: Tick) -> Files:
    made = ticks.by_keda if kind == "keda" else ticks.by_ping
    return {"tick.yaml": made(description)}


def overlay(description: Description, tier: Tier) -> Files:
    """A tier's model, who serves it, and the worker that waits for it."""
    namespace, platform = description.namespace, settings.platform(description)
    environment = settings.tier_environment(tier, namespace)
    found: dict[str, list[Json]] = {
        "settings.yaml": [settings.config_map("sluice-tier", namespace, environment)],
        f"{EMBED_WORKER}.yaml": _embed_worker(description, tier, platform),
    }
    if tier.inference is None:
        function = description.function(INFERENCE)
        found["inference.yaml"] = services.objects(function, namespace, platform)
    else:
        found["inference.yaml"] = [*embeddings.objects(tier, description), *embeddings.scaling(tier, description)]
    return found


def everything(description: Description, tier: Tier, kind: Tick) -> list[Json]:
    """What `kustomize build` of the overlay gives, in an order that can be applied."""
    parts = (base(description), scaling(description), tick(description, kind), overlay(description, tier))
    return [each for files in parts for objects in files.values() for each in objects]


def _embed_worker(description: Description, tier: Tier, platform: frozenset[str]) -> list[Json]:
    function = description.function(EMBED_WORKER)
    objects = workers.objects(function, description.namespace, platform)
    if tier.inference is not None:
        url = embeddings.health_url(tier.inference, description.namespace)
        for each in objects:
            if each["kind"] == "Deployment":
                each["spec"]["template"]["spec"]["initContainers"] = [embeddings.wait_container(function.image, url)]
    return objects


def _namespace(name: str) -> Json:
    """Not every version of Knative's own sidecar keeps the restricted standard: that one only warns."""
    standard = {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": standard}}
