"""Rules about what runs: probes, error bodies, processors, features behind flags, annotations that do nothing."""

from collections.abc import Callable, Iterator

from emulator.broker.ports import FunctionDestination
from emulator.knative.notices import POD_FLAGS
from emulator.kpa import annotations as autoscaling
from emulator.lint.findings import Said
from emulator.lint.sources import Json, ServiceSource, Sources, StackFunction, mapping

UTILIZATION = "target-utilization-percentage"
TEMPLATE = "spec.template.metadata.annotations"
CONTAINER = "spec.template.spec.containers"
PROBE_ANNOTATIONS = ("com.openfaas.ready.http.path", "com.openfaas.health.http.path")
PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
CLASS_FLAGS = {"node_selector": POD_FLAGS["nodeSelector"], "tolerations": POD_FLAGS["tolerations"]}
FUNCTION_KEYS = frozenset(
    {
        *("name", "lang", "handler", "image", "fprocess", "namespace", "environment", "environment_file", "secrets"),
        *("labels", "annotations", "constraints", "limits", "requests", "readonly_root_filesystem", "skip_build"),
        *("build_args", "build_options", "build_secrets", "platforms"),
    }
)


def error_body_crash(sources: Sources) -> Iterator[Said]:
    for each in sources.triggers:
        target = each.trigger.subscriber
        if sources.sink_of(each.trigger) is None or not isinstance(target, FunctionDestination):
            continue
        command = sources.command_of(target.name) or ""
        if is_framework(command) and "--asgi" not in command:
            problem = (
                f"{target.name} answers errors with HTML pages over 768 bytes, and with a dead letter sink such a body "
                "ends the in-memory channel's dispatcher, with every event in it"
            )
            yield each.say("spec.subscriber", problem)


def reply_not_event(sources: Sources) -> Iterator[Said]:
    for each in sources.triggers:
        target = each.trigger.subscriber
        if isinstance(target, FunctionDestination) and may_be_event_function(sources.command_of(target.name)):
            problem = (
                f"{target.name}, if it is an event function, answers OK, which is no CloudEvent: the broker takes it "
                "for a failure, tries again and dead-letters every event; answer an event or nothing from an "
                "http function"
            )
            yield each.say("spec.subscriber", problem)


def probe_405(sources: Sources) -> Iterator[Said]:
    problem = "an event function answers a GET with 405, so that it never gets ready; probe the port instead"
    yield from _probes(sources, lambda command: signature(command) == "event", problem)


def probe_maybe_405(sources: Sources) -> Iterator[Said]:
    problem = (
        "if this is an event function, a GET is answered with 405, and it never gets ready; probe the port instead"
    )
    yield from _probes(sources, lambda command: is_framework(command) and signature(command) is None, problem)


def _probes(sources: Sources, concerned: Callable[[str], bool], problem: str) -> Iterator[Said]:
    for function in sources.stack:
        if concerned(function.command):
            for name in PROBE_ANNOTATIONS:
                if name in function.annotations:
                    yield function.say(f"annotations.{name}", problem)
    for service in sources.services:
        if concerned(sources.command_of(service.name) or ""):
            for field in _http_probes(service):
                yield service.say(field, problem)


def gpu_target_utilization(sources: Sources) -> Iterator[Said]:
    problem = (
        "a GPU is kept {0} % busy at most: the autoscaler asks for another one before the first is full, "
        f"two for a single request at target 1; set {autoscaling.PREFIX}{UTILIZATION} to 100"
    )
    for function in sources.stack:
        used = _utilization(function.annotations)
        if _gpus(function) and used < 100:
            yield function.say(f"annotations.{autoscaling.PREFIX}{UTILIZATION}", problem.format(f"{used:g}"))
    for service in sources.services:
        used = _utilization(service.service.template.annotations)
        if service.service.gpus and used < 100:
            yield service.say(f"{TEMPLATE}.{autoscaling.PREFIX}{UTILIZATION}", problem.format(f"{used:g}"))


def feature_flag(sources: Sources) -> Iterator[Said]:
    for service in sources.services:
        for notice in service.service.notices:
            if notice.code == "feature-flag":
                yield service.say(notice.field, notice.message)
    for function in sources.stack:
        for name, flag in CLASS_FLAGS.items():
            if function.resources.get(name) and flag not in sources.flags:
                problem = f"the class has {name}, which Knative refuses until {flag} is enabled in config-features"
                yield function.say("labels.dev.sluice.class", problem)


def autoscaling_annotation(sources: Sources) -> Iterator[Said]:
    problem = "is no annotation of the autoscaler, which passes over it without a word"
    for function in sources.stack:
        for key in autoscaling.unknown(function.annotations):
            yield function.say(f"annotations.{key}", problem)
    for service in sources.services:
        for key in autoscaling.unknown(service.service.template.annotations):
            yield service.say(f"{TEMPLATE}.{key}", problem)


def stack_key_unknown(sources: Sources) -> Iterator[Said]:
    for function in sources.stack:
        for key in function.body:
            if key not in FUNCTION_KEYS:
                yield function.say(str(key), "is no field of a function; faas-cli passes over it without a word")


def lang_spelling(sources: Sources) -> Iterator[Said]:
    for function in sources.stack:
        lang = str(function.body.get("lang") or "")
        if lang != "dockerfile" and lang.lower() == "dockerfile":
            yield function.say("lang", f"write dockerfile: faas-cli looks for a template that is called {lang}")


def is_framework(command: str) -> bool:
    return "functions-framework" in command or "functions_framework" in command


def signature(command: str) -> str | None:
    """Of a functions-framework function: event or http; None where only its code knows."""
    words = command.replace("=", " ").split()
    at = words.index("--signature-type") + 1 if "--signature-type" in words else len(words)
    kind = words[at] if is_framework(command) and at < len(words) else None
    return "event" if kind in ("cloudevent", "event") else kind


def may_be_event_function(command: str | None) -> bool:
    return command is not None and is_framework(command) and signature(command) != "http"


def _http_probes(service: ServiceSource) -> Iterator[str]:
    spec = mapping(mapping(mapping(service.body.get("spec")).get("template")).get("spec"))
    for at, container in enumerate(spec.get("containers") or ()):
        for probe in PROBES:
            if mapping(mapping(container).get(probe)).get("httpGet") is not None:
                yield f"{CONTAINER}[{at}].{probe}.httpGet"


def _gpus(function: StackFunction) -> bool:
    amounts: list[Json] = [function.resources, *(mapping(function.body.get(name)) for name in ("limits", "requests"))]
    return any(str(each.get(name) or 0) != "0" for each in amounts for name in ("gpu", "nvidia.com/gpu"))


def _utilization(annotations: dict[str, str] | Json) -> float:
    found, _ = autoscaling.read({str(key): str(value) for key, value in annotations.items()})
    return 70.0 if found.target_utilization_percentage is None else found.target_utilization_percentage
