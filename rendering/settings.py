"""ConfigMaps: what connects the processes on Knative, and what a tier decides."""

from collections.abc import Iterable, Mapping

from rendering import pods
from rendering.classes import Tier
from rendering.description import Description
from rendering.located import Json

COMPONENT = "settings"
QUERY_URL = "EMBEDDING_QUERY_API_BASE_URL"
OBJECTS = ("OBJECT_STORE_URL",)
# Where spans and profiles go, the same for every function; empty is off.
TELEMETRY = ("OTEL_EXPORTER_OTLP_ENDPOINT", "PYROSCOPE_SERVER_ADDRESS")


def connections(description: Description) -> dict[str, str]:
    """Of which the operator changes OBJECT_STORE_URL at least."""
    here = f"{description.namespace}.svc.cluster.local"
    broker = f"{description.namespace}/{description.eventing.broker_name}"
    return {
        "EVENT_SINK": "broker",
        "BROKER_URL": f"http://broker-ingress.knative-eventing.svc.cluster.local/{broker}",
        "FUNCTION_URL_TEMPLATE": f"http://{{name}}.{here}",
        "MEMBERSHIP_URL": f"http://membership.{here}",
        "EMBEDDING_API_BASE_URL": f"http://inference.{here}/v1",
        **_of_stack(description, OBJECTS),
        "AWS_REGION": "eu-west-1",
        **telemetry(description),
        **slots(description),
    }


def telemetry(description: Description) -> dict[str, str]:
    """One variable of whoever renders turns it on everywhere."""
    return _of_stack(description, TELEMETRY)


def _of_stack(description: Description, names: Iterable[str]) -> dict[str, str]:
    """As stack.yml has it, and so as the environment of whoever renders does."""
    stack = {name: text for each in description.functions for name, text in each.environment.items()}
    return {name: stack.get(name, "") for name in names}


def slots(description: Description) -> dict[str, str]:
    """As many wake-ups as there may be workers."""
    return {f"{each.queue}_SLOTS".upper(): str(each.resources.max_scale) for each in description.workers}


def tier_environment(tier: Tier, namespace: str) -> dict[str, str]:
    asked = {QUERY_URL: f"http://{tier.queries.name}.{namespace}.svc.cluster.local/v1"} if tier.queries else {}
    return {**tier.environment, **asked}


def platform(description: Description) -> frozenset[str]:
    """The variables that the cluster decides, and not stack.yml."""
    tiers = {name for tier in description.tiers.values() for name in tier_environment(tier, "")}
    return frozenset(connections(description)) | tiers


def config_map(name: str, namespace: str, data: Mapping[str, str]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": pods.metadata(name, namespace, COMPONENT),
        "data": dict(data),
    }
