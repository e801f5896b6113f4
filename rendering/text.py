"""Manifests as text that a person can read."""

from collections.abc import Iterable

import yaml

from rendering.located import Json

NOTE = "# Rendered by `sluice render {what}`. Change stack.yml, resource-classes.yml or triggers/, not this file.\n"


class _Dumper(yaml.SafeDumper):
    """No references; lists indented below their name."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, indentless=False)


def one(document: Json) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=118, allow_unicode=True)


def many(documents: Iterable[Json]) -> str:
    return "---\n".join(one(each) for each in documents)


def noted(what: str, text: str) -> str:
    return NOTE.format(what=what) + text
