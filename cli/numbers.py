"""Numbers that a process tells Prometheus, for people who look at them without it."""

from typing import TypeAlias

Labels: TypeAlias = frozenset[tuple[str, str]]


def numbers(text: str) -> dict[str, dict[Labels, float]]:
    """Samples of Prometheus text, by name and labels. What cannot be read is left out: it is for looking at."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    found: dict[str, dict[Labels, float]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    except ValueError:
        return found
    return found
