"""Resource classes and tiers, as resource-classes.yml names them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rendering import located, shapes
from rendering.located import Json, Table
from rendering.shapes import Shape

# Beyond what a node of any cluster has, or any job takes: a slip of a unit.
MOST_CPU_M, MOST_MEMORY_MIB, MOST_GPU, MOST_TIMEOUT_S = 256_000, 4 * 1024 * 1024, 16, 24 * 3600
# What Knative takes without being told otherwise.
MOST_CONCURRENCY, MOST_REPLICAS = 1000, 1000
# What Compose's examples are filled in from; there may be others.
SINGLE_TIER, FIVE_TIER = "cpu", "h100"
_TOLERATION: Shape = {
    "key": shapes.text,
    "operator": shapes.one_of("Exists", "Equal"),
    "value": shapes.text,
    "effect": shapes.one_of("NoSchedule", "PreferNoSchedule", "NoExecute"),
}


@dataclass(frozen=True)
class ResourceClass:
    """`cpu_m` and `cpu_request_m` in millicores. `concurrency` 0: no limit of requests in one replica."""

    name: str
    cpu_m: int
    cpu_request_m: int
    memory_mib: int
    gpu: int
    concurrency: int
    min_scale: int
    max_scale: int
    timeout_s: int
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Json, ...] = ()

    @property
    def limits(self) -> dict[str, str]:
        return {"memory": f"{self.memory_mib}Mi", "cpu": f"{self.cpu_m}m"}

    @property
    def requests(self) -> dict[str, str]:
        return {"memory": f"{self.memory_mib}Mi", "cpu": f"{self.cpu_request_m}m"}


@dataclass(frozen=True)
class Server:
    """A text-embeddings-inference server. `table` keeps its place for what is found wrong later."""

    name: str
    resources: ResourceClass
    image: str
    model: str
    args: tuple[str, ...]
    table: Table


@dataclass(frozen=True)
class Tier:
    """Where embeddings are computed. Without `inference` the function of that name does it, on CPU.

    `queries` has a server of its own for questions, so that they never start a GPU; `None` sends them to `inference`,
    which then never goes to zero.
    """

    name: str
    environment: Mapping[str, str]
    inference: Server | None = None
    queries: Server | None = None


def read(file: Path) -> tuple[dict[str, ResourceClass], dict[str, Tier]]:
    """Raises `InvalidInput` with file and line."""
    document = located.document(file)
    found = document.table("classes")
    if found is None:
        raise document.refuse("classes", "is missing; write classes: {cpu-small: {cpu: 500, memory_mib: 256, ...}}")
    classes = {name: _class(name, _inner(found, name)) for name in found.names()}
    given = document.table("tiers") or document
    tiers = {} if given is document else {name: _tier(name, _inner(given, name), classes) for name in given.names()}
    for name in (SINGLE_TIER, FIVE_TIER):
        if name not in tiers:
            raise given.refuse("", f"has no tier {name}; write tiers: {{{name}: {{environment: {{...}}}}}}")
    document.finish()
    return classes, tiers


def _inner(table: Table, name: str) -> Table:
    """Of a class or a tier: what it is called becomes labels and folders."""
    inner = table.table(name)
    if inner is None:
        raise table.refuse(name, "is empty; write a mapping")
    shapes.check_name(name, table, name)
    return inner


def _class(name: str, table: Table) -> ResourceClass:
    cpu_m = _bounded(table, "cpu", MOST_CPU_M, "millicores: 500 is half a core")
    request_m = table.whole("cpu_request", cpu_m, minimum=1)
    found = ResourceClass(
        name=name,
        cpu_m=cpu_m,
        cpu_request_m=request_m,
        memory_mib=_bounded(table, "memory_mib", MOST_MEMORY_MIB, "MiB"),
        gpu=_bounded(table, "gpu", MOST_GPU, "whole GPUs", 0) if "gpu" in table.names() else 0,
        concurrency=_bounded(table, "concurrency", MOST_CONCURRENCY, "requests in one replica", 0),
        min_scale=table.whole("min_scale"),
        max_scale=_bounded(table, "max_scale", MOST_REPLICAS, "replicas"),
        timeout_s=_bounded(table, "timeout_s", MOST_TIMEOUT_S, "seconds"),
        node_selector=table.texts("node_selector"),
        tolerations=tuple(_toleration(each) for each in table.tables("tolerations")),
    )
    if request_m > cpu_m:
        raise table.refuse("cpu_request", f"is over cpu; write at most {cpu_m}")
    if found.min_scale > found.max_scale:
        raise table.refuse("min_scale", f"is over max_scale; write at most {found.max_scale}")
    table.finish()
    return found


def _bounded(table: Table, name: str, most: int, unit: str, least: int = 1) -> int:
    value = table.whole(name, minimum=least)
    if value > most:
        raise table.refuse(name, f"is in {unit}; write at most {most}")
    return value


def _toleration(table: Table) -> Json:
    shapes.check(table, _TOLERATION)
    return table.plain()


def _tier(name: str, table: Table, classes: Mapping[str, ResourceClass]) -> Tier:
    servers = {role: _server(given, classes) for role in ("inference", "queries") if (given := table.table(role))}
    tier = Tier(name, table.texts("environment"), servers.get("inference"), servers.get("queries"))
    table.finish()
    if tier.inference and tier.queries and tier.inference.name == tier.queries.name:
        raise table.refuse("queries", f"{tier.queries.name} is the name of inference; write another")
    return tier


def _server(table: Table, classes: Mapping[str, ResourceClass]) -> Server:
    label = table.required("class", "gpu-h100")
    if label not in classes:
        raise table.refuse("class", f"there is no class {label}; write one of {', '.join(classes)}")
    found = Server(
        name=table.required("name", "inference"),
        resources=classes[label],
        image=table.required("image", "an image of text-embeddings-inference"),
        model=table.required("model", "BAAI/bge-large-en-v1.5"),
        args=table.words("args"),
        table=table,
    )
    shapes.check_name(found.name, table, "name")
    table.finish()
    return found
