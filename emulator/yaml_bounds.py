"""Refuses YAML that would grow beyond measure when built: too deep, or with references that multiply."""

import yaml

from shared.errors import InvalidInput

MAX_DEPTH = 64
MAX_NODES = 100_000
# What PyYAML raises for what is no YAML, or does not fit its tag: `!!int x`, `!!bool x`, `!!timestamp x`, 2001-99-99.
NOT_YAML = (yaml.YAMLError, ValueError, AttributeError, LookupError, OverflowError)


def check(text: str, file: str) -> None:
    """Counts as if every reference were written out. Raises `InvalidInput`, or `yaml.YAMLError` for what is no YAML."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, 1))
        elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            _close(event, open_nodes, sizes)
        if len(open_nodes) > MAX_DEPTH or open_nodes[-1][1] > MAX_NODES:
            raise InvalidInput("manifest_too_large", f"{file} is nested too deep or refers too often", field=file)


def _close(event: yaml.Event, open_nodes: list[tuple[str | None, int]], sizes: dict[str, int]) -> None:
    anchor, size = open_nodes.pop() if isinstance(event, yaml.CollectionEndEvent) else (None, 1)
    if isinstance(event, yaml.AliasEvent):
        size = sizes.get(event.anchor or "", 1)
    elif isinstance(event, yaml.ScalarEvent):
        anchor = event.anchor
    if anchor is not None:
        sizes[anchor] = size
    parent, total = open_nodes.pop()
    open_nodes.append((parent, total + size))
