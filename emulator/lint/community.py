"""Rules about what OpenFaaS Community Edition refuses, or takes and does not do."""

from collections.abc import Callable, Iterator, Mapping

from emulator.lint.findings import Said
from emulator.lint.sources import Sources
from emulator.openfaas import community
from emulator.openfaas.community import MOST_FUNCTIONS

NAMESPACE = "openfaas-fn"
# Read by the commercial editions only.
IGNORED = (
    *("com.openfaas.ready.http", "com.openfaas.health.http", "com.openfaas.retry", "com.openfaas.queue"),
    "com.openfaas.profile",
)


def labels(sources: Sources) -> Iterator[Said]:
    yield from _of_labels(sources, community.labels)


def scale_limits(sources: Sources) -> Iterator[Said]:
    yield from _of_labels(sources, community.scale_limits)


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
        if problem := community.image(str(each.body.get("image") or "")):
            yield each.say("image", problem)


def unpublished_images(sources: Sources) -> Iterator[Said]:
    for each in sources.stack:
        image = str(each.body.get("image") or "")
        if image and "/" not in image:
            problem = "without an owner it cannot be pushed, and Community Edition runs nothing but public images"
            yield each.say("image", f"{image}: {problem}")


def topics(sources: Sources) -> Iterator[Said]:
    yield from _of_annotations(sources, community.topics)


def foreign_annotations(sources: Sources) -> Iterator[Said]:
    yield from _of_annotations(sources, community.foreign_annotations)


def ignored(sources: Sources) -> Iterator[Said]:
    for each in sources.stack:
        if each.body.get("constraints"):
            yield each.say("constraints", "Community Edition takes constraints and does not keep them")
        for key in each.annotations:
            if key.startswith(IGNORED):
                yield each.say(f"annotations.{key}", "Community Edition takes it and does nothing with it")
        if ";" in each.annotations.get("schedule", ""):
            yield each.say("annotations.schedule", "the connector of Community Edition keeps no more than one schedule")


def _of_labels(sources: Sources, rule: Callable[[Mapping[str, str]], community.Refused]) -> Iterator[Said]:
    for each in sources.stack:
        for name, problem in rule(each.labels):
            yield each.say(f"labels.{name}", problem)


def _of_annotations(sources: Sources, rule: Callable[[Mapping[str, str]], community.Refused]) -> Iterator[Said]:
    for each in sources.stack:
        for name, problem in rule(each.annotations):
            yield each.say(f"annotations.{name}", problem)
