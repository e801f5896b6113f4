"""What OpenFaaS Community Edition refuses, by its documentation."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Literal, Protocol

from emulator.manifests import DEFAULT_NAMESPACE
from shared.errors import InvalidInput

Edition = Literal["ce", "pro"]

SCALE = "com.openfaas.scale"
MOST_FUNCTIONS, MOST_REPLICAS, MOST_ASYNC_BYTES = 15, 5, 256_000
PRO_LABELS = (f"{SCALE}.zero-duration", f"{SCALE}.target", f"{SCALE}.type")
FOREIGN = ("amazonaws.com", "gke.io")
_PRIVATE_SUFFIXES = (".local", ".internal", ".localhost", ".lan", ".svc")

# Which label or annotation, and a sentence.
Refused = Iterator[tuple[str, str]]


class Asked(Protocol):
    """A deployment, or an entry of the stack file."""

    @property
    def image(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def annotations(self) -> Mapping[str, str]: ...


def refuse(asked: Asked, others: int) -> None:
    """Raises `InvalidInput` with the first reason. `others` are deployed beside it."""
    if others >= MOST_FUNCTIONS:
        raise _refused("functions", f"Community Edition runs {MOST_FUNCTIONS} functions")
    if asked.namespace != DEFAULT_NAMESPACE:
        raise _refused("namespace", f"namespace must be: {DEFAULT_NAMESPACE}")
    for reasons in (labels(asked.labels), scale_limits(asked.labels)):
        for name, reason in reasons:
            raise _refused("labels", f"label {name}: {reason}")
    for reasons in (topics(asked.annotations), foreign_annotations(asked.annotations)):
        for name, reason in reasons:
            raise _refused("annotations", f"annotation {name}: {reason}")
    if reason := image(asked.image):
        raise _refused("image", reason)


def labels(given: Mapping[str, str]) -> Refused:
    if given.get(f"{SCALE}.zero", "").lower() == "true":
        yield f"{SCALE}.zero", "Community Edition refuses scale to zero"
    for name in PRO_LABELS:
        if name in given:
            yield name, "Community Edition refuses this label"


def scale_limits(given: Mapping[str, str]) -> Refused:
    for name in (f"{SCALE}.min", f"{SCALE}.max"):
        value = given.get(name, "")
        if value.isdecimal() and int(value) > MOST_REPLICAS:
            yield name, f"Community Edition refuses more than {MOST_REPLICAS} replicas"


def topics(given: Mapping[str, str]) -> Refused:
    if "," in given.get("topic", ""):
        yield "topic", "Community Edition takes one topic"


def foreign_annotations(given: Mapping[str, str]) -> Refused:
    for key in given:
        if any(domain in key for domain in FOREIGN):
            yield key, "Community Edition refuses annotations of cloud providers"


def image(name: str) -> str:
    """Nothing where it may be public."""
    host = registry(name)
    if host is None or not is_private(host):
        return ""
    return f"Community Edition runs public images only, and {host} is not a public registry"


def registry(name: str) -> str | None:
    """The host in an image's name; None: Docker Hub."""
    first, slash, _ = name.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else None


def is_private(registry_host: str) -> bool:
    name, _, port = registry_host.partition(":")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        inside = name == "localhost" or name.endswith(_PRIVATE_SUFFIXES) or ("." not in name and bool(port))
        return inside or (".dkr.ecr." in name and name.endswith(".amazonaws.com"))
    return True


def _refused(field: str, reason: str) -> InvalidInput:
    return InvalidInput("edition_refuses", reason, field=field)
