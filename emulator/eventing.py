"""Brokers, Triggers and PingSources, read from the manifests that would be applied to a cluster."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from emulator.broker.ports import Destination
from emulator.broker.retry import BROKER_DEFAULT, DeliveryPolicy
from emulator.destinations import destination
from emulator.fields import Fields, documents, invalid
from emulator.ping import check_schedule
from emulator.trigger_filters import attributes_filter, filters
from shared.errors import InvalidInput

_EXTENSION = re.compile(r"[a-z0-9]+")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# Which kinds are ours, and in which version; anything else in a folder of manifests is for others.
_GROUPS = {
    "Broker": "eventing.knative.dev/v1",
    "Trigger": "eventing.knative.dev/v1",
    "PingSource": "sources.knative.dev/v1",
}
# Tells people and tools what there is to subscribe to, and changes nothing that is delivered.
_PASSED_OVER = "EventType"


@dataclass(frozen=True, slots=True)
class Broker:
    namespace: str
    name: str
    delivery: DeliveryPolicy = BROKER_DEFAULT


@dataclass(frozen=True, slots=True)
class Trigger:
    """`delivery` is the effective one. `filter` and `filters` are as written, checked."""

    namespace: str
    name: str
    broker: str
    subscriber: Destination
    delivery: DeliveryPolicy
    filter: Mapping[str, str] | None = None
    filters: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class PingSource:
    """`annotations` as written: `dev.sluice/only-when-sql` limits the ticks."""

    namespace: str
    name: str
    schedule: str
    timezone: str
    content_type: str
    data: bytes
    sink: Destination
    extensions: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Eventing:
    brokers: tuple[Broker, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    ping_sources: tuple[PingSource, ...] = ()


_Found: TypeAlias = Broker | Trigger | PingSource
_T = TypeVar("_T", Broker, Trigger, PingSource)


@dataclass(frozen=True, slots=True)
class _Meta:
    namespace: str
    name: str
    annotations: Mapping[str, str]


def load(folder: Path) -> Eventing:
    """Every `*.yaml` and `*.yml` of a folder. Raises `InvalidInput` that names file and field."""
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    return _assemble([found for file in files for found in _read_file(file)])


def read(manifests: Iterable[object]) -> Eventing:
    """Documents as parsed; those of other kinds are passed over."""
    return _assemble([found for manifest in manifests if (found := read_one(manifest)) is not None])


def _read_file(file: Path) -> list[_Found]:
    try:
        return [found for each in documents(file.read_text(encoding="utf-8")) if (found := read_one(each)) is not None]
    except UnicodeDecodeError as error:
        raise InvalidInput("manifest_invalid", f"{file.name}: not UTF-8") from error
    except InvalidInput as error:
        raise InvalidInput(error.code, f"{file.name}: {error.message}", field=error.field) from error


def read_one(manifest: object) -> Broker | Trigger | PingSource | None:
    """Alone: a Trigger has not inherited anything yet. None where the document is of another kind."""
    if not _is_ours(manifest):
        return None
    fields = Fields(manifest, "")
    kind = fields.value("kind")
    if kind == "Broker":
        return _broker(fields)
    return _trigger(fields) if kind == "Trigger" else _ping_source(fields)


def _assemble(found: Sequence[_Found]) -> Eventing:
    """Joins Triggers to their Brokers. Raises `InvalidInput` where one is missing or a name is there twice."""
    brokers = _by_name([each for each in found if isinstance(each, Broker)])
    triggers = _by_name([each for each in found if isinstance(each, Trigger)])
    pings = _by_name([each for each in found if isinstance(each, PingSource)])
    joined = (_inherit(trigger, brokers) for trigger in triggers.values())
    return Eventing(tuple(brokers.values()), tuple(joined), tuple(pings.values()))


def _by_name(found: Sequence[_T]) -> dict[tuple[str, str], _T]:
    named = {(each.namespace, each.name): each for each in found}
    if len(named) < len(found):
        names = [f"{each.namespace}/{each.name}" for each in found]
        double = next(name for name in names if names.count(name) > 1)
        raise invalid("metadata.name", f"{type(found[0]).__name__} {double} is there twice")
    return named


def _is_ours(manifest: object) -> bool:
    if not isinstance(manifest, dict):
        return False
    kind, version = manifest.get("kind"), manifest.get("apiVersion")
    if isinstance(kind, str) and kind in _GROUPS and isinstance(version, str):
        if version == _GROUPS[kind]:
            return True
        if version.partition("/")[0] == _GROUPS[kind].partition("/")[0]:
            raise invalid("apiVersion", f"only {_GROUPS[kind]} is known")
    elif isinstance(version, str) and version.startswith("eventing.knative.dev/") and kind != _PASSED_OVER:
        raise invalid("kind", f"{kind!r} is not a kind that the emulator knows")
    return False


def _meta(fields: Fields) -> _Meta:
    fields.skip("apiVersion", "status")
    meta = fields.fields("metadata")
    if meta is None:
        raise invalid("metadata", "is missing")
    name, namespace = meta.required("name"), meta.text("namespace") or "default"
    for field, value in (("name", name), ("namespace", namespace)):
        if not _NAME.fullmatch(value):
            raise invalid(meta.at(field), f"{value!r} is not a DNS name")
    return _Meta(namespace, name, meta.texts("annotations") or {})


def _spec(fields: Fields) -> Fields:
    spec = fields.fields("spec") or Fields({}, "spec")
    fields.finish()
    return spec


def _broker(fields: Fields) -> Broker:
    meta, spec = _meta(fields), _spec(fields)
    spec.skip("config")
    delivery = spec.fields("delivery")
    spec.finish()
    policy = BROKER_DEFAULT if delivery is None else _delivery(delivery, meta.namespace)
    return Broker(meta.namespace, meta.name, policy)


def _trigger(fields: Fields) -> Trigger:
    meta, spec = _meta(fields), _spec(fields)
    own = spec.fields("delivery")
    trigger = Trigger(
        namespace=meta.namespace,
        name=meta.name,
        broker=spec.required("broker"),
        subscriber=destination(spec, "subscriber", meta.namespace),
        delivery=DeliveryPolicy() if own is None else _delivery(own, meta.namespace),
        filter=attributes_filter(spec),
        filters=filters(spec),
    )
    spec.finish()
    return trigger


def _inherit(trigger: Trigger, brokers: Mapping[tuple[str, str], Broker]) -> Trigger:
    """A Trigger with any field of `delivery` hides the Broker's, except for its dead letter sink."""
    broker = brokers.get((trigger.namespace, trigger.broker))
    if broker is None:
        problem = f"Trigger {trigger.name}: namespace {trigger.namespace} has no Broker {trigger.broker}"
        raise invalid("spec.broker", problem)
    if trigger.delivery == DeliveryPolicy():
        return replace(trigger, delivery=broker.delivery)
    sink = trigger.delivery.dead_letter_sink or broker.delivery.dead_letter_sink
    return replace(trigger, delivery=replace(trigger.delivery, dead_letter_sink=sink))


def _delivery(fields: Fields, namespace: str) -> DeliveryPolicy:
    policy = DeliveryPolicy(
        retry=fields.whole("retry") or 0,
        backoff_policy=cast("Any", fields.choice("backoffPolicy", ("linear", "exponential"))),
        backoff_delay_s=fields.duration_s("backoffDelay"),
        timeout_s=fields.duration_s("timeout"),
        retry_after_max_s=fields.duration_s("retryAfterMax"),
        dead_letter_sink=destination(fields, "deadLetterSink", namespace) if fields.has("deadLetterSink") else None,
        format=cast("Any", fields.choice("format", ("binary", "json"))),
    )
    if policy.timeout_s == 0:
        raise invalid(fields.at("timeout"), "must be more than zero")
    fields.finish()
    return policy


def _ping_source(fields: Fields) -> PingSource:
    meta, spec = _meta(fields), _spec(fields)
    spec.skip("jobTemplate")
    data, encoded = spec.text("data"), spec.text("dataBase64")
    if data and encoded:
        raise invalid("spec.dataBase64", "data and dataBase64 exclude each other")
    source = PingSource(
        namespace=meta.namespace,
        name=meta.name,
        schedule=spec.text("schedule") or "* * * * *",
        timezone=spec.text("timezone") or "UTC",
        content_type=spec.text("contentType") or "",
        data=_decoded(encoded) if encoded else (data or "").encode(),
        sink=destination(spec, "sink", meta.namespace),
        extensions=_extensions(spec),
        annotations=meta.annotations,
    )
    spec.finish()
    check_schedule(source.schedule, source.timezone)
    return source


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise invalid("spec.dataBase64", "not base64") from error


def _extensions(spec: Fields) -> Mapping[str, str]:
    overrides = spec.fields("ceOverrides")
    if overrides is None:
        return {}
    found = overrides.texts("extensions")
    overrides.finish()
    for name in found or {}:
        if not _EXTENSION.fullmatch(name):
            raise invalid(f"spec.ceOverrides.extensions.{name}", "an extension's name is lower-case letters and digits")
    return found or {}
