"""What each component of Alloy that we use may be given, and what it would refuse."""

import re
from collections.abc import Iterator
from typing import Any

from tests.observe.alloy import Block, Call, Reference, values

_FUNCTIONS = {"coalesce", "sys.env", "encoding.from_json"}
# Component or block -> (its attributes, as name:type, with "!" where it must be there; its blocks, likewise; what a
# component exports). A block that is another one elsewhere stands here with its component before it. Read from the tags
# of the structs in internal/component of Alloy 1.18.1.
Shape = tuple[str, str, str]
_STAGES = (
    "stage.json stage.timestamp stage.labels stage.structured_metadata stage.regex stage.template stage.metrics "
    "stage.label_drop stage.output"
)
_METRIC = "name:string! prefix:string description:string source:string value:string max_idle_duration:duration"
_SCRAPE = "scrape_interval:duration scrape_timeout:duration sample_limit:number job_name:string honor_labels:bool"
_RULE = "source_labels:strings separator:string regex:string action:string target_label:string replacement:string"
SHAPES: dict[str, Shape] = {
    "discovery.docker": ("host:string! refresh_interval:duration match_first_network:bool", "filter", "targets"),
    "discovery.http": ("url:string! refresh_interval:duration", "", "targets"),
    "discovery.kubernetes": ("role:string!", "namespaces", "targets"),
    "discovery.relabel": ("targets:targets!", "rule", "output rules"),
    "local.file_match": ("path_targets:targets! sync_period:duration", "", "targets"),
    "loki.process": ("forward_to:receivers!", _STAGES, "receiver"),
    "loki.source.docker": ("host:string! targets:targets! forward_to:receivers! labels:map", "", ""),
    "loki.source.file": ("targets:targets! forward_to:receivers! tail_from_end:bool", "", ""),
    "loki.source.kubernetes": ("targets:targets! forward_to:receivers!", "", ""),
    "loki.write": ("external_labels:map", "endpoint", "receiver"),
    "otelcol.auth.basic": ("", "client_auth", "handler"),
    "otelcol.exporter.otlphttp": ("", "client! sending_queue retry_on_failure", "input"),
    "otelcol.processor.batch": (
        "timeout:duration send_batch_size:number send_batch_max_size:number", "output!", "input",
    ),
    "otelcol.processor.filter": ("error_mode:string", "trace_conditions output!", "input"),
    "otelcol.processor.memory_limiter": (
        "check_interval:duration! limit_percentage:number spike_limit_percentage:number", "output!", "input",
    ),
    "otelcol.processor.tail_sampling": (
        "decision_wait:duration decision_wait_after_root_received:duration num_traces:number",
        "policy! output!",
        "input",
    ),
    "otelcol.receiver.otlp": ("", "grpc http output!", ""),
    "prometheus.exporter.self": ("", "", "targets"),
    "prometheus.remote_write": ("external_labels:map", "endpoint", "receiver"),
    "prometheus.scrape": (f"targets:targets! forward_to:receivers! {_SCRAPE}", "", ""),
    "pyroscope.receive_http": ("forward_to:receivers!", "http", ""),
    "pyroscope.write": ("external_labels:map", "endpoint", "receiver"),
    # Blocks.
    "basic_auth": ("username:string password:string", "", ""),
    "client": ("endpoint:string! auth:handler headers:map", "", ""),
    "client_auth": ("username:string password:string", "", ""),
    "loki.write endpoint": ("url:string! tenant_id:string headers:map", "basic_auth", ""),
    "prometheus.remote_write endpoint": ("url:string! send_exemplars:bool headers:map", "basic_auth", ""),
    "pyroscope.write endpoint": ("url:string! headers:map", "basic_auth", ""),
    "filter": ("name:string! values:strings!", "", ""),
    "grpc": ("endpoint:string", "", ""),
    "otelcol.receiver.otlp http": ("endpoint:string", "", ""),
    "pyroscope.receive_http http": ("listen_address:string listen_port:number", "", ""),
    "metric.counter": (f"{_METRIC} action:string! match_all:bool", "", ""),
    "metric.histogram": (f"{_METRIC} buckets:numbers!", "", ""),
    "namespaces": ("names:strings own_namespace:bool", "", ""),
    "output": ("traces:receivers", "", ""),
    "policy": ("name:string! type:string!", "status_code string_attribute probabilistic", ""),
    "probabilistic": ("sampling_percentage:number! hash_salt:string", "", ""),
    "retry_on_failure": ("max_elapsed_time:duration", "", ""),
    "rule": (_RULE, "", ""),
    "sending_queue": ("queue_size:number", "", ""),
    "stage.json": ("expressions:map source:string drop_malformed:bool", "", ""),
    "stage.label_drop": ("values:strings!", "", ""),
    "stage.labels": ("values:map!", "", ""),
    "stage.metrics": ("", "metric.counter metric.histogram", ""),
    "stage.output": ("source:string!", "", ""),
    "stage.regex": ("expression:string! source:string", "", ""),
    "stage.structured_metadata": ("values:map", "", ""),
    "stage.template": ("source:string! template:string!", "", ""),
    "stage.timestamp": ("source:string! format:string! action_on_failure:string", "", ""),
    "status_code": ("status_codes:strings!", "", ""),
    "string_attribute": ("key:string! values:strings!", "", ""),
    "trace_conditions": ("conditions:strings! context:string", "", ""),
}  # fmt: skip
# What a reference of this name is.
_EXPORTED = {
    "output": "targets",
    "targets": "targets",
    "receiver": "receiver",
    "input": "receiver",
    "handler": "handler",
}
_DURATION = re.compile(r"(\d+(ms|s|m|h))+")


def problems(components: list[Block]) -> Iterator[str]:
    """What Alloy would refuse: unknown names, what is missing, and references to nothing."""
    keys = [each.key for each in components]
    yield from (f"{key} twice" for key in {key for key in keys if keys.count(key) > 1})
    for component in components:
        if component.label is None or component.name not in SHAPES:
            yield f"{component.key} is no component"
            continue
        yield from _shape_problems(component, component.key, component.name)
        for value in values(component):
            if isinstance(value, Reference) and not _exported(value.path, components):
                yield f"{component.key}: there is no {value.path}"
            elif isinstance(value, Call) and value.function not in {*_FUNCTIONS, "+"}:
                yield f"{component.key}: {value.function} is no function that is known here"


def _shape_problems(block: Block, where: str, component: str) -> Iterator[str]:
    attributes, blocks, _ = _shape(block.name, component)
    types = dict(each.rstrip("!").split(":") for each in attributes.split())
    wanted = {each.rstrip("!").split(":")[0] for each in f"{attributes} {blocks}".split() if each[-1] == "!"}
    allowed = {each.rstrip("!") for each in blocks.split()}
    inside = {each.name for each in block.blocks}
    yield from (f"{where}: {name} is unknown" for name in (block.attributes.keys() - types) | (inside - allowed))
    yield from (f"{where}: {name} is missing" for name in wanted - block.attributes.keys() - inside)
    for name, value in block.attributes.items():
        if name in types and not _is(types[name], value):
            yield f"{where}: {name} is no {types[name]}"
    for inner in block.blocks:
        if inner.name in allowed:
            yield from _shape_problems(inner, f"{where} {inner.name}", component)


def _shape(name: str, component: str) -> Shape:
    return SHAPES.get(f"{component} {name}") or SHAPES[name]


def _is(wanted: str, value: Any) -> bool:
    """Whether Alloy takes the value for this type. A variable of the environment is text until it is read as JSON."""
    if wanted.endswith("s") and isinstance(value, list):
        return all(_is("map" if wanted == "targets" else wanted.removesuffix("s"), each) for each in value)
    if isinstance(value, Reference):
        return wanted == _EXPORTED.get(value.path.rsplit(".", 1)[-1])
    if isinstance(value, Call):
        return wanted == ("number" if value.function == "encoding.from_json" else "string")
    if isinstance(value, dict):
        return wanted == "map"
    if isinstance(value, bool) or wanted == "bool":
        return isinstance(value, bool) and wanted == "bool"
    if wanted == "duration":
        return isinstance(value, str) and _DURATION.fullmatch(value) is not None
    return isinstance(value, str if wanted == "string" else float | int) and wanted in ("string", "number")


def _exported(path: str, components: list[Block]) -> bool:
    return any(path == f"{each.key}.{export}" for each in components for export in SHAPES[each.name][2].split())
