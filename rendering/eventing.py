"""The manifests of triggers/: read strictly, passed on as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from rendering.located import Json, Table, documents
from shared.errors import InvalidInput

# Allowed fields below a field; None: any value.
Shape: TypeAlias = Mapping[str, "Shape | None"]

HTTP_FILE = "http.yaml"  # routes of the gateway, which reads and checks them itself
PING_TYPE = "dev.knative.sources.ping"
CLUSTER_SCHEDULE = "dev.sluice/cluster-schedule"
_METADATA: Shape = {"name": None, "namespace": None, "annotations": None, "labels": None}
_REF: Shape = {"apiVersion": None, "kind": None, "name": None, "namespace": None}
_DESTINATION: Shape = {"ref": _REF, "uri": None}
_DELIVERY: Shape = {
    **dict.fromkeys(("retry", "backoffPolicy", "backoffDelay", "timeout", "retryAfterMax", "format")),
    "deadLetterSink": _DESTINATION,
}
_SPECS: Mapping[str, Shape] = {
    "Broker": {"delivery": _DELIVERY, "config": _REF},
    "Trigger": {
        "broker": None,
        "filter": {"attributes": None},
        "delivery": _DELIVERY,
        "subscriber": _DESTINATION,
    },
    "PingSource": {
        **dict.fromkeys(("schedule", "timezone", "contentType", "data", "dataBase64")),
        "ceOverrides": {"extensions": None},
        "sink": _DESTINATION,
    },
}
_VERSIONS = {
    "Broker": "eventing.knative.dev/v1",
    "Trigger": "eventing.knative.dev/v1",
    "PingSource": "sources.knative.dev/v1",
}


@dataclass(frozen=True)
class Trigger:
    """`event_type` is as the filter has it; `table` keeps its place for what is found wrong later."""

    name: str
    event_type: str
    function: str
    manifest: Json
    table: Table


@dataclass(frozen=True)
class Eventing:
    """One Broker, in the namespace that everything is deployed to."""

    namespace: str
    broker: Json
    triggers: tuple[Trigger, ...]
    ping: Json

    @property
    def broker_name(self) -> str:
        return str(self.broker["metadata"]["name"])

    @property
    def ticked(self) -> str:
        """The function that ticks go to."""
        return next(each.function for each in self.triggers if each.event_type == PING_TYPE)


def read(folder: Path) -> Eventing:
    """Raises `InvalidInput` with file and line."""
    found: dict[str, list[tuple[Json, Table]]] = {kind: [] for kind in _SPECS}
    for file in sorted(folder.glob("*.yaml")):
        for table in documents(file, shown=f"{folder.name}/{file.name}") if file.name != HTTP_FILE else []:
            kind = _kind(table)
            found[kind].append((_checked(table, kind), table))
    for kind in ("Broker", "PingSource"):
        if not found[kind]:
            raise InvalidInput("description_invalid", f"{folder.name}/: has no {kind}; write one", field=kind)
        for _, second in found[kind][1:]:
            raise second.refuse("kind", f"is the second {kind}; keep one")
    [(broker, _)], [(ping, _)] = found["Broker"], found["PingSource"]
    triggers = tuple(_trigger(manifest, table) for manifest, table in found["Trigger"])
    return Eventing(broker["metadata"]["namespace"], broker, triggers, ping)


def _kind(table: Table) -> str:
    kind = table.text("kind") or ""
    if kind not in _SPECS:
        raise table.refuse("kind", f"write one of {', '.join(_SPECS)}")
    if table.text("apiVersion") != _VERSIONS[kind]:
        raise table.refuse("apiVersion", f"write {_VERSIONS[kind]}")
    return kind


def _checked(table: Table, kind: str) -> Json:
    """The whole manifest, once no field of it is unknown."""
    _check_shape(table, {"apiVersion": None, "kind": None, "metadata": _METADATA, "spec": _SPECS[kind]})
    metadata, spec = table.table("metadata"), table.table("spec")
    if metadata is None or spec is None:
        raise table.refuse("", "write metadata and spec")
    for name in ("name", "namespace"):
        if not metadata.text(name):
            raise metadata.refuse(name, f"is missing; write {name}: sluice")
        if len(metadata.text(name) or "") > 63:
            raise metadata.refuse(name, "is over 63 characters; write a shorter one")
    return table.plain()


def _check_shape(table: Table, shape: Shape) -> None:
    for name in table.names():
        if name not in shape:
            raise table.refuse(name, f"is no field here; remove it, or write one of {', '.join(sorted(shape))}")
        inner = shape[name]
        if inner is not None and (below := table.table(name)) is not None:
            _check_shape(below, inner)


def _trigger(manifest: Json, table: Table) -> Trigger:
    spec = manifest["spec"]
    event_type = ((spec.get("filter") or {}).get("attributes") or {}).get("type")
    if not isinstance(event_type, str):
        raise table.refuse("spec", "names no event type; write filter: {attributes: {type: dev.sluice.NOUN.VERB.v1}}")
    function = ((spec.get("subscriber") or {}).get("ref") or {}).get("name")
    if not isinstance(function, str):
        raise table.refuse("spec", "names no function; write subscriber: {ref: {kind: Service, name: NAME, ...}}")
    return Trigger(manifest["metadata"]["name"], event_type, function, manifest, table)
