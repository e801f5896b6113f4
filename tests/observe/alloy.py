"""Alloy's configuration language: read into blocks, and what each component that we use may be given.

The names are from the reference of Alloy 1.18; the program itself cannot be had here.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "observe" / "alloy"
_TOKEN = re.compile(r'\s*(?://[^\n]*\s*)*("(?:[^"\\\n]|\\.)*"|[A-Za-z_][\w.]*|-?\d+(?:\.\d+)?|[{}\[\]()=,+])')
_FUNCTIONS = {"coalesce", "sys.env", "encoding.from_json"}


@dataclass(frozen=True)
class Reference:
    """A value of another component, or a constant."""

    path: str


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple[Any, ...]


@dataclass
class Block:
    name: str
    label: str | None
    attributes: dict[str, Any] = field(default_factory=dict)
    blocks: "list[Block]" = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.name}.{self.label}"

    def of(self, name: str) -> "list[Block]":
        return [each for each in self.blocks if each.name == name]


def read(text: str) -> list[Block]:
    """The components of a file. Raises `ValueError` with what stands where it should not."""
    tokens = _tokens(text)
    whole = Block("", None)
    _body(tokens, whole)
    if tokens:
        raise ValueError(f"unexpected {tokens[-1]!r}")
    if whole.attributes:
        raise ValueError(f"an attribute outside of a component: {list(whole.attributes)}")
    return whole.blocks


def _tokens(text: str) -> list[str]:
    """The last one first, to be popped."""
    found, at = [], 0
    end = len(re.sub(r"(\s|//[^\n]*(\n|$))*$", "", text))
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"cannot be read: {text[at : at + 40]!r}")
        found.append(token[1])
        at = token.end()
    return found[::-1]


def _body(tokens: list[str], block: Block) -> None:
    while tokens and tokens[-1] != "}":
        name = tokens.pop()
        if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            raise ValueError(f"a name was expected, not {name!r}")
        if tokens[-1] == "=":
            tokens.pop()
            if name in block.attributes:
                raise ValueError(f"{name} twice in {block.name}")
            block.attributes[name] = _expression(tokens)
        else:
            label = json.loads(tokens.pop()) if tokens[-1].startswith('"') else None
            inner = Block(name, label)
            _take(tokens, "{")
            _body(tokens, inner)
            _take(tokens, "}")
            block.blocks.append(inner)


def _expression(tokens: list[str]) -> Any:
    value = _value(tokens)
    while tokens and tokens[-1] == "+":
        tokens.pop()
        value = Call("+", (value, _value(tokens)))
    return value


def _value(tokens: list[str]) -> Any:
    token = tokens.pop()
    if token == "[":
        return list(_several(tokens, "]"))
    if token == "{":
        return _object(tokens)
    if token[0] in '"-' or token[0].isdigit() or token in ("true", "false"):
        return json.loads(token)
    if tokens and tokens[-1] == "(":
        tokens.pop()
        return Call(token, tuple(_several(tokens, ")")))
    return Reference(token)


def _several(tokens: list[str], end: str) -> Iterator[Any]:
    while tokens[-1] != end:
        yield _expression(tokens)
        if tokens[-1] != end:
            _take(tokens, ",")
    tokens.pop()


def _object(tokens: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while tokens[-1] != "}":
        name = tokens.pop()
        _take(tokens, "=")
        found[json.loads(name) if name.startswith('"') else name] = _expression(tokens)
        if tokens[-1] != "}":
            _take(tokens, ",")
    tokens.pop()
    return found


def _take(tokens: list[str], wanted: str) -> None:
    if not tokens or tokens.pop() != wanted:
        raise ValueError(f"{wanted!r} was expected")


def values(block: Block) -> Iterator[Any]:
    """Every value in it and inside, down to the single ones."""

    def inside(value: Any) -> Iterator[Any]:
        yield value
        parts: Iterable[Any] = value if isinstance(value, list) else ()
        parts = value.values() if isinstance(value, Mapping) else value.arguments if isinstance(value, Call) else parts
        for part in parts:
            yield from inside(part)

    for value in block.attributes.values():
        yield from inside(value)
    for inner in block.blocks:
        yield from values(inner)


# Component or block -> (its attributes, "!" where it must be there; its blocks; what a component exports).
Shape = tuple[str, str, str]
_ENDPOINT = "url! headers send_exemplars tenant_id"
_STAGES = (
    "stage.json stage.timestamp stage.labels stage.structured_metadata stage.regex stage.template stage.metrics "
    "stage.label_drop stage.output"
)
_METRIC = "name! prefix description source value max_idle_duration"
SHAPES: dict[str, Shape] = {
    "discovery.docker": ("host! refresh_interval match_first_network", "filter", "targets"),
    "discovery.http": ("url! refresh_interval", "", "targets"),
    "discovery.kubernetes": ("role!", "namespaces selectors", "targets"),
    "discovery.relabel": ("targets!", "rule", "output rules"),
    "local.file_match": ("path_targets! sync_period", "", "targets"),
    "loki.process": ("forward_to!", _STAGES, "receiver"),
    "loki.source.docker": ("host! targets! forward_to! labels relabel_rules", "", ""),
    "loki.source.file": ("targets! forward_to! tail_from_end", "file_match", ""),
    "loki.source.kubernetes": ("targets! forward_to!", "", ""),
    "loki.write": ("external_labels", "endpoint", "receiver"),
    "otelcol.auth.basic": ("username password!", "", "handler"),
    "otelcol.exporter.otlphttp": ("", "client! sending_queue retry_on_failure", "input"),
    "otelcol.processor.batch": ("timeout send_batch_size send_batch_max_size", "output!", "input"),
    "otelcol.processor.filter": ("error_mode", "traces output!", "input"),
    "otelcol.processor.memory_limiter": (
        "check_interval! limit_percentage spike_limit_percentage", "output!", "input",
    ),
    "otelcol.processor.tail_sampling": (
        "decision_wait decision_wait_after_root_received num_traces", "policy! output!", "input",
    ),
    "otelcol.receiver.otlp": ("", "grpc http output!", ""),
    "prometheus.exporter.self": ("", "", "targets"),
    "prometheus.remote_write": ("external_labels", "endpoint", "receiver"),
    "prometheus.scrape": (
        "targets! forward_to! scrape_interval scrape_timeout sample_limit job_name honor_labels", "", "",
    ),
    "pyroscope.receive_http": ("forward_to!", "http", ""),
    "pyroscope.write": ("external_labels", "endpoint", "receiver"),
    # Blocks.
    "basic_auth": ("username password", "", ""),
    "client": ("endpoint! auth headers", "", ""),
    "endpoint": (_ENDPOINT, "basic_auth", ""),
    "filter": ("name! values!", "", ""),
    "grpc": ("endpoint", "", ""),
    "http": ("endpoint listen_address listen_port", "", ""),
    "metric.counter": (f"{_METRIC} action! match_all", "", ""),
    "metric.histogram": (f"{_METRIC} buckets!", "", ""),
    "namespaces": ("names own_namespace", "", ""),
    "output": ("traces", "", ""),
    "policy": ("name! type!", "status_code string_attribute probabilistic latency", ""),
    "probabilistic": ("sampling_percentage! hash_salt", "", ""),
    "retry_on_failure": ("max_elapsed_time", "", ""),
    "rule": ("source_labels separator regex action target_label replacement", "", ""),
    "sending_queue": ("queue_size", "", ""),
    "stage.json": ("expressions! source drop_malformed", "", ""),
    "stage.label_drop": ("values!", "", ""),
    "stage.labels": ("values!", "", ""),
    "stage.metrics": ("", "metric.counter metric.histogram", ""),
    "stage.output": ("source!", "", ""),
    "stage.regex": ("expression! source", "", ""),
    "stage.structured_metadata": ("values!", "", ""),
    "stage.template": ("source! template!", "", ""),
    "stage.timestamp": ("source! format! action_on_failure", "", ""),
    "status_code": ("status_codes!", "", ""),
    "string_attribute": ("key! values!", "", ""),
    "traces": ("span", "", ""),
}  # fmt: skip


def problems(components: list[Block]) -> Iterator[str]:
    """What Alloy would refuse: unknown names, what is missing, and references to nothing."""
    keys = [each.key for each in components]
    yield from (f"{key} twice" for key in {key for key in keys if keys.count(key) > 1})
    for component in components:
        if component.label is None or component.name not in SHAPES:
            yield f"{component.key} is no component"
            continue
        yield from _shape_problems(component, component.key)
        for value in values(component):
            if isinstance(value, Reference) and not _exported(value.path, components):
                yield f"{component.key}: there is no {value.path}"
            elif isinstance(value, Call) and value.function not in {*_FUNCTIONS, "+"}:
                yield f"{component.key}: {value.function} is no function that is known here"


def _shape_problems(block: Block, where: str) -> Iterator[str]:
    attributes, blocks, _ = SHAPES[block.name]
    for given, known in ((set(block.attributes), attributes.split()), ({b.name for b in block.blocks}, blocks.split())):
        yield from (f"{where}: {name} is unknown" for name in given - {each.rstrip("!") for each in known})
        yield from (f"{where}: {each[:-1]} is missing" for each in known if each[-1] == "!" and each[:-1] not in given)
    for inner in block.blocks:
        if inner.name in SHAPES:
            yield from _shape_problems(inner, f"{where} {inner.name}")


def _exported(path: str, components: list[Block]) -> bool:
    return any(path == f"{each.key}.{export}" for each in components for export in SHAPES[each.name][2].split())
