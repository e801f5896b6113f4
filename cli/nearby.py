"""What on this machine a document depends on now, in sentences: who is to work on it, and whether they can. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from cli.fault import in_words
from cli.numbers import Labels
from cli.text import clean, plural
from cli.trouble import trouble

# Who takes a document in each of its unfinished states; of those that there are.
WORKERS: Final[Mapping[str, tuple[str, ...]]] = {
    "pending": ("scrape-worker",),
    "scraping": ("scrape-worker",),
    "chunking": ("chunk", "orchestrator"),
    "embedding": ("embed-worker", "inference"),
}
SERVICES: Final = {"embedding": "the embedding endpoint", "membership": "Membership"}
NOTHING: Final[Mapping[str, Mapping[Labels, float]]] = MappingProxyType({})


def nearby(
    document: Mapping[str, Any], status: Mapping[str, Any], numbers: Mapping[str, Mapping[Labels, float]] = NOTHING
) -> list[str]:
    """`status` is what the emulator says of itself, `numbers` those of the `workers`; nothing where none answers."""
    names = WORKERS.get(document["status"], ())
    functions = {one["name"]: one for one in status.get("functions", [])}
    sentences = [_function(functions[name]) for name in names if name in functions]
    return [*sentences, *_breakers(numbers), *_faults(names, status.get("faults", []))]


def workers(document: Mapping[str, Any], status: Mapping[str, Any]) -> list[str]:
    """Who is up and works on it: to ask one at zero would start it."""
    up = {one["name"] for one in status.get("functions", []) if one["ready"]}
    return [name for name in WORKERS.get(document["status"], ()) if name in up]


def _function(said: Mapping[str, Any]) -> str:
    name, all_of_them = said["name"], len(said["replicas"])
    lost = clean(trouble(said))
    if said["ready"]:
        doing = f", with {plural(said['in_flight'], 'request')} in hand" if said["in_flight"] else ""
        before = f"; one before had trouble: {lost}" if lost else ""
        return f"{name} has {plural(said['ready'], 'replica')} at work{doing}{before}."
    if lost:
        return f"{name} has trouble: {lost}."
    if all_of_them:
        return f"{name} is starting."
    waiting = said.get("queue", {}).get("waiting", 0)
    queued = f", and its queue holds {plural(waiting, 'wake-up')}" if waiting else ""
    return f"{name} is at zero: it starts as soon as there is work for it{queued}."


def _breakers(numbers: Mapping[str, Mapping[Labels, float]]) -> Iterator[str]:
    for labels, value in sorted(numbers.get("sluice_breaker_open", {}).items(), key=str):
        if value and (named := dict(labels).get("breaker")) in SERVICES:
            yield f"The circuit breaker before {SERVICES[named]} is open: nobody asks it until it has had a rest."


def _faults(names: Sequence[str], armed: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for fault in armed:
        if names and fault["function"] in (*names, "*"):
            yield f"A fault is armed: {in_words(dict(fault))}."
