"""The manifests of triggers/: read strictly, passed on as they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rendering import shapes
from rendering.located import Json, Table, documents
from rendering.shapes import Required, Shape
from shared.errors import InvalidInput

HTTP_FILE = "http.yaml"  # routes of the gateway, which reads and checks them itself
PING_TYPE = "dev.knative.sources.ping"
CLUSTER_SCHEDULE = "dev.sluice/cluster-schedule"
_VERSIONS = {
    "Broker": "eventing.knative.dev/v1",
    "Trigger": "eventing.knative.dev/v1",
    "PingSource": "sources.knative.dev/v1",
}
_METADATA: Shape = {**shapes.NAMES, "annotations": shapes.texts, "labels": shapes.texts}
_ANY_REF: Shape = dict.fromkeys(("apiVersion", "kind", "name", "namespace"), shapes.text)
_FUNCTION: Shape = {"ref": shapes.reference("serving.knative.dev/v1", "Service"), "uri": shapes.text}
_BROKER: Shape = {"ref": shapes.reference(_VERSIONS["Broker"], "Broker")}
_DELIVERY: Shape = {
    "retry": shapes.whole,
    "backoffPolicy": shapes.one_of("linear", "exponential"),
    **dict.fromkeys(("backoffDelay", "timeout", "retryAfterMax"), shapes.duration),
    "format": shapes.one_of("binary", "json"),
    "deadLetterSink": _FUNCTION,
}
_SPECS: Mapping[str, Shape] = {
    "Broker": {"delivery": _DELIVERY, "config": _ANY_REF},
    "Trigger": {
        "broker": Required(shapes.text, "default"),
        "filter": {"attributes": shapes.texts},
        "delivery": _DELIVERY,
        "subscriber": _FUNCTION,
    },
    "PingSource": {
        "schedule": shapes.schedule,
        "data": shapes.json_text,
        **dict.fromkeys(("timezone", "contentType", "dataBase64"), shapes.text),
        "ceOverrides": {"extensions": shapes.texts},
        "sink": _BROKER,
    },
}


@dataclass(frozen=True)
class Trigger:
    """`event_type` is as the filter has it; the tables keep their places for what is found wrong later."""

    name: str
    event_type: str
    function: str
    manifest: Json
    table: Table
    subscriber: Table


@dataclass(frozen=True)
class Eventing:
    """One Broker, in the namespace that everything is deployed to. `dead_letters`: references to functions."""

    namespace: str
    broker: Json
    triggers: tuple[Trigger, ...]
    ping: Json
    dead_letters: tuple[Table, ...]

    @property
    def broker_name(self) -> str:
        return str(self.broker["metadata"]["name"])

    @property
    def ticked(self) -> str:
        """The function that ticks go to."""
        return next(each.function for each in self.triggers if each.event_type == PING_TYPE)


def read(folder: Path) -> Eventing:
    """Raises `InvalidInput` with file and line."""
    found = _by_kind(folder)
    for kind in ("Broker", "PingSource"):
        if not found[kind]:
            raise InvalidInput("description_invalid", f"{folder.name}/: has no {kind}; write one", field=kind)
        for second in found[kind][1:]:
            raise second.refuse("kind", f"is the second {kind}; keep one")
    [broker], [ping] = found["Broker"], found["PingSource"]
    named = _inner(broker, "metadata")
    name, namespace = named.required("name", "default"), named.required("namespace", "sluice")
    everything = [broker, ping, *found["Trigger"]]
    for table in everything:
        _check_namespaces(table, namespace)
    _check_broker(_inner(_spec(ping), "sink", "ref"), "name", name)
    triggers = tuple(_trigger(table, name) for table in found["Trigger"])
    _check_names(triggers)
    dead_letters = tuple(ref for table in everything for ref in _references(table) if "deadLetterSink" in ref.path)
    return Eventing(namespace, broker.plain(), triggers, ping.plain(), dead_letters)


def _by_kind(folder: Path) -> dict[str, list[Table]]:
    found: dict[str, list[Table]] = {kind: [] for kind in _SPECS}
    for file in sorted(folder.glob("*.yaml")):
        for table in documents(file, shown=f"{folder.name}/{file.name}") if file.name != HTTP_FILE else []:
            kind = _kind(table)
            shapes.check(
                table, {"apiVersion": shapes.text, "kind": shapes.text, "metadata": _METADATA, "spec": _SPECS[kind]}
            )
            found[kind].append(table)
    return found


def _kind(table: Table) -> str:
    kind = table.text("kind") or ""
    if kind not in _SPECS:
        raise table.refuse("kind", f"write one of {', '.join(_SPECS)}")
    if table.text("apiVersion") != _VERSIONS[kind]:
        raise table.refuse("apiVersion", f"write {_VERSIONS[kind]}")
    return kind


def _inner(table: Table, *path: str) -> Table:
    for name in path:
        below = table.table(name)
        if below is None:
            raise table.refuse(name, f"is missing; write {name}")
        table = below
    return table


def _spec(table: Table) -> Table:
    return _inner(table, "spec")


def _references(table: Table) -> Iterator[Table]:
    """Every `ref` below a field of the spec or of its delivery."""
    spec = _spec(table)
    delivery = spec.table("delivery")
    places = (spec.table("subscriber"), spec.table("sink"), delivery.table("deadLetterSink") if delivery else None)
    yield from (ref for place in places if place is not None and (ref := place.table("ref")) is not None)


def _check_namespaces(table: Table, namespace: str) -> None:
    for place in (_inner(table, "metadata"), *_references(table)):
        if place.text("namespace") != namespace:
            raise place.refuse("namespace", f"is not the Broker's; write {namespace}")


def _check_broker(table: Table, field: str, broker: str) -> None:
    if table.text(field) != broker:
        raise table.refuse(field, f"there is no such Broker; write {broker}")


def _check_names(triggers: tuple[Trigger, ...]) -> None:
    seen: dict[str, Trigger] = {}
    for trigger in triggers:
        if trigger.name in seen:
            taken = seen[trigger.name].table
            place = f"{taken.file}:{taken.line}"
            raise _inner(trigger.table, "metadata").refuse("name", f"is taken by {place}; write another name")
        seen[trigger.name] = trigger


def _trigger(table: Table, broker: str) -> Trigger:
    spec = _spec(table)
    _check_broker(spec, "broker", broker)
    wanted = spec.table("filter")
    attributes = None if wanted is None else wanted.table("attributes")
    event_type = None if attributes is None else attributes.text("type")
    if event_type is None:
        raise table.refuse("spec", "names no event type; write filter: {attributes: {type: dev.sluice.NOUN.VERB.v1}}")
    subscriber = spec.table("subscriber")
    ref = None if subscriber is None else subscriber.table("ref")
    if ref is None:
        raise table.refuse("spec", "names no function; write subscriber: {ref: {kind: Service, name: NAME, ...}}")
    name = _inner(table, "metadata").required("name", "chunk-chunk-requested")
    return Trigger(name, event_type, ref.required("name", "chunk"), table.plain(), table, ref)
