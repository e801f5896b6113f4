"""Broker, Triggers and EventTypes: what Knative Eventing is told."""

import json

from rendering import pods
from rendering.description import Description
from rendering.located import Json
from shared.contracts.export import schema
from shared.contracts.registry import MODELS, schema_id

API = "eventing.knative.dev/v1"
COMPONENT = "eventing"


def objects(description: Description) -> list[Json]:
    return [
        _labelled(description.eventing.broker),
        *(_labelled(trigger.manifest) for trigger in description.eventing.triggers),
        *(event_type(name, description) for name in MODELS),
    ]


def event_type(name: str, description: Description) -> Json:
    """For whoever looks up what can be subscribed to, with the JSON Schema of its data."""
    short = name.removeprefix("dev.sluice.").replace("_", "-")
    exported = schema(name)
    return {
        "apiVersion": "eventing.knative.dev/v1beta2",
        "kind": "EventType",
        "metadata": pods.metadata(short, description.namespace, COMPONENT),
        "spec": {
            "type": name,
            "schema": schema_id(name),
            "schemaData": json.dumps(exported, ensure_ascii=False, separators=(",", ":")),
            "description": " ".join(exported["description"].split()),
            "reference": {"apiVersion": API, "kind": "Broker", "name": description.eventing.broker_name},
        },
    }


def _labelled(manifest: Json) -> Json:
    meta = manifest["metadata"]
    labels = pods.own_labels(meta["name"], COMPONENT)
    return manifest | {"metadata": meta | {"labels": labels | (meta.get("labels") or {})}}
