"""`sluice filter`: whether a Trigger wants an event, and which of its filters says so."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli import event_file
from cli.failure import CommandFailed
from cli.text import json_line
from emulator.broker.explain import Verdict, explain
from emulator.broker.filters import DIALECTS
from emulator.cesql.values import to_text
from emulator.fields import Fields, documents
from emulator.trigger_filters import MAX_DEPTH, attributes_filter, filters
from shared.errors import InvalidInput

TEXTS = ("exact", "prefix", "suffix")


@dataclass(frozen=True)
class Asked:
    """`refused`: why a cluster would not take the Trigger, though its filters could be evaluated."""

    attributes: Mapping[str, str] | None
    filters: Sequence[Mapping[str, Any]]
    refused: str | None = None


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("filter", help="whether a Trigger wants an event, and why")
    parser.add_argument("--trigger", required=True, metavar="FILE", help="a Trigger, YAML or JSON")
    parser.add_argument("--event", required=True, metavar="FILE", help="the event's attributes, a JSON object")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def run(args: argparse.Namespace) -> int:
    """0 whether or not it matches; the answer says which."""
    asked = _trigger(args.trigger)
    event = {name: to_text(value) for name, value in event_file.read_attributes(args.event).items()}
    verdict = explain(asked.attributes, asked.filters, event)
    if args.json:
        refused = {} if asked.refused is None else {"refused": asked.refused}
        print(json_line({"match": verdict.match, "reason": verdict.reason, **refused}))
    else:
        _print(verdict, asked)
    return 0


def _print(verdict: Verdict, asked: Asked) -> None:
    if asked.refused is not None:
        print(f"sluice: a cluster refuses this Trigger: {asked.refused}", file=sys.stderr)
    print(f"{'match' if verdict.match else 'no match'}: {verdict.reason}")


def _trigger(name: str) -> Asked:
    try:
        return _asked(_spec(name, event_file.read_text(name)))
    except InvalidInput as error:
        raise CommandFailed(f"{name}: {error.message}", exit_code=2) from error


def _spec(name: str, text: str) -> dict[str, Any]:
    """Of the only Trigger among the documents, or a spec that stands alone."""
    found = [each for each in _documents(text) if isinstance(each, dict) and each.get("kind", "Trigger") == "Trigger"]
    if len(found) != 1:
        raise CommandFailed(f"{name} holds {len(found)} Triggers; name a file that holds one", exit_code=2)
    spec = found[0].get("spec", {}) if "spec" in found[0] or "kind" in found[0] else found[0]
    if not isinstance(spec, dict):
        raise CommandFailed(f"{name}: spec: must be a mapping of names to values", exit_code=2)
    return spec


def _documents(text: str) -> list[object]:
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        return list(documents(text))


def _asked(spec: dict[str, Any]) -> Asked:
    """Raises `InvalidInput` for what has no meaning at all."""
    try:
        fields = Fields({name: spec.get(name) for name in ("filter", "filters")}, "spec")
        return Asked(attributes_filter(fields), filters(fields))
    except InvalidInput as error:
        given, items = spec.get("filter"), spec.get("filters")
        if not _is_filter(given) or not _are_items(items, 0):
            raise
        return Asked((given or {}).get("attributes"), items or [], error.message)


def _is_filter(given: object) -> bool:
    if given is None:
        return True
    return isinstance(given, dict) and set(given) <= {"attributes"} and _is_texts(given.get("attributes"))


def _are_items(items: object, depth: int) -> bool:
    return items is None or (isinstance(items, list) and all(_is_item(item, depth) for item in items))


def _is_item(item: object, depth: int) -> bool:
    if not isinstance(item, dict) or not set(item) <= set(DIALECTS) or depth > MAX_DEPTH:
        return False
    return (
        all(_is_texts(item.get(name)) for name in TEXTS)
        and all(_are_items(item.get(name), depth + 1) for name in ("all", "any"))
        and (item.get("not") is None or _is_item(item["not"], depth + 1))
        and isinstance(item.get("cesql"), str | None)
    )


def _is_texts(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, dict) and all(isinstance(each, str) for pair in value.items() for each in pair)
