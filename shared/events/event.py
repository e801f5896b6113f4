"""A CloudEvent as a value: attributes are text, data is JSON."""

from dataclasses import dataclass, field
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

SPEC_VERSION = "1.0"
TYPE_PREFIX = "dev.sluice."
MAX_EVENT_BYTES = 64 * 1024


def short(event_type: str) -> str:
    """`dev.sluice.document.scraped.v1` as `document.scraped`, for people."""
    return event_type.removeprefix(TYPE_PREFIX).rpartition(".v")[0] or event_type


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """`time` is RFC 3339 text, kept as received so that a signature survives every hop."""

    id: str
    source: str
    type: str
    data: "Json" = None
    subject: str | None = None
    time: str | None = None
    dataschema: str | None = None
    extensions: dict[str, str] = field(default_factory=dict)
