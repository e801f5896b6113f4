"""The one description that everything deployed is derived from: stack.yml, resource-classes.yml and triggers/."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rendering import classes as resource_classes
from rendering import eventing, stack
from rendering.classes import ResourceClass, Tier
from rendering.eventing import Eventing, Trigger
from rendering.located import document
from rendering.stack import INFERENCE, Function
from shared.contracts.registry import ALIASES, ANNOUNCED, DIRECT, MODELS
from shared.errors import InvalidInput


@dataclass(frozen=True)
class Description:
    functions: tuple[Function, ...]
    classes: Mapping[str, ResourceClass]
    tiers: Mapping[str, Tier]
    eventing: Eventing

    @property
    def namespace(self) -> str:
        return self.eventing.namespace

    @property
    def workers(self) -> tuple[Function, ...]:
        return tuple(each for each in self.functions if each.queue is not None)

    @property
    def services(self) -> tuple[Function, ...]:
        """Functions that answer requests."""
        return tuple(each for each in self.functions if each.queue is None)

    def function(self, name: str) -> Function:
        return next(each for each in self.functions if each.name == name)


def read(root: Path, variables: Mapping[str, str] | None) -> Description:
    """Raises `InvalidInput` with file, line and what to write instead. None leaves `${NAME:-default}` as it is."""
    classes, tiers = resource_classes.read(root / "resource-classes.yml")
    functions = stack.read(root / "stack.yml", classes, variables)
    found = eventing.read(root / "triggers")
    _check_servers(tiers, functions)
    _check_references(found, functions)
    _check_events(found.triggers)
    return Description(functions, classes, tiers, found)


def _check_servers(tiers: Mapping[str, Tier], functions: tuple[Function, ...]) -> None:
    """A tier's server stands in for the function at its address, and nobody else has one of ours."""
    names = [each.name for each in functions]
    for tier in tiers.values():
        if tier.inference is not None and tier.inference.name != INFERENCE:
            raise tier.inference.table.refuse("name", f"is asked by that of the function; write {INFERENCE}")
        if tier.queries is not None and tier.queries.name in names:
            raise tier.queries.table.refuse("name", f"{tier.queries.name} is a function's; write another")


def _check_references(found: Eventing, functions: tuple[Function, ...]) -> None:
    names = [each.name for each in functions if each.queue is None]
    for ref in (*(each.subscriber for each in found.triggers), *found.dead_letters):
        if (name := ref.text("name")) not in names:
            raise ref.refuse("name", f"there is no function {name}; write one of {', '.join(names)}")


def _check_events(triggers: tuple[Trigger, ...]) -> None:
    """Each event that asks for work has one function that does it."""
    handlers: dict[str, list[Trigger]] = defaultdict(list)
    for trigger in triggers:
        if trigger.event_type in ALIASES.values():
            raise trigger.table.refuse("spec", f"nobody sends {trigger.event_type}; write {' or '.join(ALIASES)}")
        event_type = ALIASES.get(trigger.event_type, trigger.event_type)
        if event_type not in MODELS:
            raise trigger.table.refuse(
                "spec", f"{event_type} is no event type of ours; write one of {', '.join(MODELS)}"
            )
        handlers[event_type].append(trigger)
    for event_type, found in handlers.items():
        if event_type not in ANNOUNCED and len(found) > 1:
            problem = f"{event_type} is handled by {found[0].function} already; remove one of the two Triggers"
            raise found[1].table.refuse("spec", problem)
    for event_type in MODELS:
        if event_type not in handlers and event_type not in DIRECT | ANNOUNCED:
            problem = (
                f"triggers/: nobody handles {event_type}; write a Trigger with filter.attributes.type {event_type}"
            )
            raise InvalidInput("description_invalid", problem, field=event_type)


def provider(root: Path) -> dict[str, str]:
    """As stack.yml has it, variables and all."""
    return document(root / "stack.yml").texts("provider")
