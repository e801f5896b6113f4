"""The environment that a container is given."""

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.fields import Fields, invalid
from emulator.knative.notices import FIELD_REF_FLAG, Notices
from emulator.knative.references import Holders, expanded

# What the platform sets itself: a Service that sets them is refused.
RESERVED = frozenset({"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"})
_FIELD_REFS = ("fieldRef", "resourceFieldRef")


@dataclass(frozen=True)
class Reading:
    """What a Service is read with, and what there is to say about it."""

    namespace: str
    holders: Holders
    notices: Notices


def environment(container: Fields, reading: Reading) -> dict[str, str]:
    """`env` wins over `envFrom`, and may refer to what stands before it."""
    found: dict[str, str] = {}
    for source in container.each("envFrom"):
        found |= _all_of(source, reading)
    for variable in container.each("env"):
        name = variable.required("name")
        if name in RESERVED:
            raise invalid(variable.at("name"), f"{name} is a reserved environment variable")
        value = _value(variable, reading)
        if value is not None:
            found[name] = expanded(value, found)
    return found


def _value(variable: Fields, reading: Reading) -> str | None:
    value, source = variable.text("value"), variable.fields("valueFrom")
    variable.finish()
    if source is None:
        return value or ""
    if value:
        raise invalid(source.path, "value and valueFrom exclude each other")
    return _from(source, reading)


def _from(source: Fields, reading: Reading) -> str | None:
    for name in _FIELD_REFS:
        if source.value(name) is not None:
            reading.notices.needs(FIELD_REF_FLAG, source.at(name))
            return None
    given = [name for name in ("configMapKeyRef", "secretKeyRef") if source.has(name)]
    if len(given) != 1:
        raise invalid(source.path, "expected exactly one of configMapKeyRef, secretKeyRef, fieldRef")
    reference = source.fields(given[0])
    source.skip("configMapKeyRef", "secretKeyRef")
    source.finish()
    assert reference is not None
    key, path = reference.required("key"), reference.path
    contents = _contents(reference, "ConfigMap" if given[0] == "configMapKeyRef" else "Secret", reading)
    if contents is not None and key not in contents:
        reading.notices.absent(path, f"has no {key}; the variable is left out")
    return (contents or {}).get(key)


def _all_of(source: Fields, reading: Reading) -> dict[str, str]:
    prefix = source.text("prefix") or ""
    found: dict[str, str] = {}
    for name, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        reference = source.fields(name)
        if reference is not None:
            found |= {prefix + key: value for key, value in (_contents(reference, kind, reading) or {}).items()}
    source.finish()
    return found


def _contents(reference: Fields, kind: str, reading: Reading) -> Mapping[str, str] | None:
    """None where it is not among the manifests, which is told: a cluster may have it."""
    name, optional = reference.required("name"), reference.truth("optional")
    reference.finish()
    contents = reading.holders.found.get((kind, reading.namespace, name))
    if contents is None and not optional:
        reading.notices.absent(reference.path, f"{kind} {name} is not among the manifests; its values are left out")
    return contents
