"""A Knative Service, read to the last field. An unknown field is an error, named by its path."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from emulator.fields import Fields, invalid
from emulator.knative.container import Container, container
from emulator.knative.environment import Reading
from emulator.knative.notices import POD_FLAGS, VOLUME_FLAGS, Notice, Notices
from emulator.knative.references import Holders
from emulator.kpa import annotations as autoscaling
from emulator.kpa.annotations import Annotations
from emulator.kpa.resolve import check_container_concurrency

MOST_TIMEOUT_S = 600
TIMEOUT_S = 300
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_VOLUMES = ("secret", "configMap", "projected", "emptyDir")
# What a cluster writes into metadata, so that what was read from one can be read back.
_WRITTEN = (
    *("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generateName"),
    *("generation", "managedFields", "ownerReferences", "resourceVersion", "selfLink", "uid"),
)


@dataclass(frozen=True)
class Meta:
    namespace: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class Service:
    """`meta` is the Service's own, `template` that of its revisions."""

    meta: Meta
    template: Meta
    container: Container
    concurrency: int
    timeout_s: int
    scaling: Annotations
    gpus: float
    notices: tuple[Notice, ...]


def read_service(manifest: object, holders: Holders | None = None) -> Service:
    """Raises `InvalidInput` with the field that a cluster would name."""
    fields = Fields(manifest, "")
    fields.skip("apiVersion", "kind", "status")
    meta = _meta(fields, "default")
    holders = holders or Holders()
    notices = Notices(holders.flags())
    spec = fields.fields("spec")
    fields.finish()
    if spec is None or not spec.has("template"):
        raise invalid("spec.template", "is missing")
    _check_own(meta)
    _traffic(spec, notices)
    template = spec.fields("template")
    spec.finish()
    assert template is not None
    return _template(template, meta, Reading(meta.namespace, holders, notices))


def _check_own(meta: Meta) -> None:
    if not _NAME.fullmatch(meta.name):
        raise invalid("metadata.name", f"{meta.name[:80]!r} is not a DNS label that begins with a letter")
    for key in meta.annotations:
        if key.startswith(autoscaling.PREFIX):
            problem = "invalid key name: autoscaling annotations work only below spec.template.metadata.annotations"
            raise invalid(f"metadata.annotations.{key}", problem)


def _template(fields: Fields, meta: Meta, reading: Reading) -> Service:
    template, spec = _meta(fields, meta.namespace, named=False), fields.fields("spec")
    fields.finish()
    if spec is None:
        raise invalid("spec.template.spec", "is missing")
    if template.name and not template.name.startswith(f"{meta.name}-"):
        raise invalid("spec.template.metadata.name", f'must begin with "{meta.name}-"')
    reading.notices.flagged(spec, POD_FLAGS)
    spec.skip("automountServiceAccountToken", "enableServiceLinks", "imagePullSecrets", "serviceAccountName")
    _volumes(spec, reading.notices)
    containers = [container(each, reading) for each in spec.each("containers")]
    service = Service(
        meta=meta,
        template=template,
        container=_serving(containers, reading.notices),
        concurrency=check_container_concurrency(spec.whole("containerConcurrency") or 0),
        timeout_s=_timeouts(spec, reading.notices),
        scaling=autoscaling.parse(template.annotations),
        gpus=sum(each.resources.gpus for each in containers),
        notices=(),
    )
    spec.finish()
    return replace(service, notices=tuple(reading.notices.found))


def _serving(containers: list[Container], notices: Notices) -> Container:
    """The one that takes the requests; the others are not started here."""
    if not containers:
        raise invalid("spec.template.spec.containers", "is missing")
    serving = containers if len(containers) == 1 else [each for each in containers if each.serves]
    if len(serving) != 1:
        raise invalid("spec.template.spec.containers.ports", "exactly one of several containers must have a port")
    for each in containers:
        if each is not serving[0]:
            notices.absent(each.field, "is not started: only the container with the port is")
    return serving[0]


def _timeouts(spec: Fields, notices: Notices) -> int:
    given = spec.whole("timeoutSeconds")
    timeout_s = TIMEOUT_S if given is None else given
    if not 0 <= timeout_s <= MOST_TIMEOUT_S:
        raise invalid(spec.at("timeoutSeconds"), f"expected 0 <= {timeout_s} <= {MOST_TIMEOUT_S}")
    for name in ("responseStartTimeoutSeconds", "idleTimeoutSeconds"):
        value = spec.whole(name)
        if value is not None and value > timeout_s:
            raise invalid(spec.at(name), f"expected 0 <= {value} <= {timeout_s}")
        if value:
            notices.absent(spec.at(name), "is not kept apart: timeoutSeconds counts")
    return timeout_s or TIMEOUT_S


def _volumes(spec: Fields, notices: Notices) -> None:
    for volume in spec.each("volumes"):
        volume.required("name")
        notices.flagged(volume, VOLUME_FLAGS)
        volume.skip(*_VOLUMES)
        volume.finish()
        notices.absent(volume.path, "is not mounted on a laptop")


def _traffic(spec: Fields, notices: Notices) -> None:
    targets, total = spec.each("traffic"), 0
    for target in targets:
        total += target.whole("percent") or 0
        latest, revision = target.value("latestRevision"), target.text("revisionName")
        target.skip("tag", "url", "configurationName")
        target.finish()
        if latest is False or revision:
            notices.absent(target.path, "the newest revision gets all requests: older ones are not kept")
    if targets and total != 100:
        raise invalid("spec.traffic", f"traffic targets sum to {total}, want 100")


def _meta(fields: Fields, namespace: str, *, named: bool = True) -> Meta:
    given = fields.fields("metadata")
    if given is None:
        given = Fields({}, fields.at("metadata"))
    name = (given.required if named else given.text)("name") or ""
    found = Meta(
        namespace=given.text("namespace") or namespace,
        name=name,
        labels=given.texts("labels") or {},
        annotations=given.texts("annotations") or {},
    )
    given.skip(*_WRITTEN)
    given.finish()
    return found
