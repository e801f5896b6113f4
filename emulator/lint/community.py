"""Rules about what OpenFaaS Community Edition refuses, or takes and does not do."""

import ipaddress
from collections.abc import Iterator

from emulator.lint.findings import Said
from emulator.lint.sources import Sources

SCALE = "com.openfaas.scale"
MOST_FUNCTIONS, MOST_REPLICAS, NAMESPACE = 15, 5, "openfaas-fn"
PRO_LABELS = (f"{SCALE}.zero-duration", f"{SCALE}.target", f"{SCALE}.type")
FOREIGN = ("amazonaws.com", "gke.io")
# Read by the commercial editions only.
IGNORED = (
    *("com.openfaas.ready.http", "com.openfaas.health.http", "com.openfaas.retry", "com.openfaas.queue"),
    "com.openfaas.profile",
)
_PRIVATE_SUFFIXES = (".local", ".internal", ".localhost", ".lan", ".svc")


def labels(sources: Sources) -> Iterator[Said]:
    for each in sources.stack:
        if each.labels.get(f"{SCALE}.zero", "").lower() == "true":
            yield each.say(f"labels.{SCALE}.zero", "Community Edition refuses scale to zero")
        for name in PRO_LABELS:
            if name in each.labels:
                yield each.say(f"labels.{name}", "Community Edition refuses this label")


def scale_limits(sources: Sources) -> Iterator[Said]:
    for each in sources.stack:
        for name in (f"{SCALE}.min", f"{SCALE}.max"):
            value = each.labels.get(name, "")
            if value.isdigit() and int(value) > MOST_REPLICAS:
                yield each.say(f"labels.{name}", f"Community Edition refuses more than {MOST_REPLICAS} replicas")


def too_many(sources: Sources) -> Iterator[Said]:
    for each in sources.stack[MOST_FUNCTIONS:]:
        yield Said(
            each.file, f"function {each.name}", f"functions.{each.name}", f"Community Edition runs {MOST_FUNCTIONS}"
        )


def namespaces(sources: Sources) -> Iterator[Said]:
    for each in sources.stack:
        namespace = each.body.get("namespace")
        if namespace and namespace != NAMESPACE:
            yield each.say("namespace", f"Community Edition has one namespace, {NAMESPACE}")


def private_images(sources: Sources) -> Iterator[Said]:
    for each in sources.stack:
        host = registry(str(each.body.get("image") or ""))
        if host is not None and is_private(host):
            yield each.say("image", f"Community Edition runs public images only, and {host} is not a public registry")


def unpublished_images(sources: Sources) -> Iterator[Said]:
    for each in sources.stack:
        image = str(each.body.get("image") or "")
        if image and "/" not in image:
            problem = "without an owner it cannot be pushed, and Community Edition runs nothing but public images"
            yield each.say("image", f"{image}: {problem}")


def topics(sources: Sources) -> Iterator[Said]:
    for each in sources.stack:
        if "," in each.annotations.get("topic", ""):
            yield each.say("annotations.topic", "Community Edition takes one topic")


def foreign_annotations(sources: Sources) -> Iterator[Said]:
    for each in sources.stack:
        for key in each.annotations:
            if any(domain in key for domain in FOREIGN):
                yield each.say(f"annotations.{key}", "Community Edition refuses annotations of cloud providers")


def ignored(sources: Sources) -> Iterator[Said]:
    for each in sources.stack:
        if each.body.get("constraints"):
            yield each.say("constraints", "Community Edition takes constraints and does not keep them")
        for key in each.annotations:
            if key.startswith(IGNORED):
                yield each.say(f"annotations.{key}", "Community Edition takes it and does nothing with it")
        if ";" in each.annotations.get("schedule", ""):
            yield each.say("annotations.schedule", "the connector of Community Edition keeps no more than one schedule")


def registry(image: str) -> str | None:
    """The host in an image's name; None: Docker Hub."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else None


def is_private(registry_host: str) -> bool:
    name, _, port = registry_host.partition(":")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        inside = name == "localhost" or name.endswith(_PRIVATE_SUFFIXES) or ("." not in name and bool(port))
        return inside or (".dkr.ecr." in name and name.endswith(".amazonaws.com"))
    return True
