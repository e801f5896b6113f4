"""From a payload to its event and back."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from pydantic import ValidationError

from observe import context
from observe.vocabulary import Name
from shared.contracts.payload import Payload
from shared.contracts.registry import payload_class, schema_id
from shared.errors import InvalidInput
from shared.events.event import CloudEvent
from shared.events.ids import derived_id

# Which attributes of spans travel with events, under which names.
ABOUT: Final[Mapping[str, Name]] = {"jobid": "job.id", "joburl": "job.url"}


def to_event(
    payload: Payload,
    *,
    source: str,
    cause: CloudEvent | None,
    time: datetime,
    id: str | None = None,  # noqa: A002  the attribute's name
    traceparent: str | None = None,
) -> CloudEvent:
    """Unsigned. With a cause the id follows from it: a re-run emits the same event again.

    It belongs to the span that it leaves, unless a `traceparent` is given, and outside of any to what caused it. So do
    the job and the page that the work in hand is about.
    """
    trace = traceparent or _trace(cause)
    return CloudEvent(
        id=id or _id(payload, cause),
        source=source,
        type=payload.event_type,
        subject=payload.subject(),
        time=_rfc3339(time),
        dataschema=schema_id(payload.event_type),
        extensions=_about() | payload.extensions() | ({"traceparent": trace} if trace else {}),
        data=payload.model_dump(mode="json"),
    )


def from_event(event: CloudEvent) -> Payload:
    """The checked payload. Raises `InvalidInput`, which names the field at fault and never repeats its value."""
    model = payload_class(event.type)
    if event.dataschema not in (None, schema_id(event.type)):
        raise InvalidInput("event_dataschema", "dataschema is not the one of this event type", field="dataschema")
    try:
        # Through JSON, because only there may strictness take text for a UUID or a time.
        payload = model.model_validate_json(json.dumps(event.data if event.data is not None else {}), strict=True)
    except ValidationError as exc:
        raise _refusal(exc) from None
    for name, value in payload.extensions().items():
        if event.extensions.get(name) != value:
            raise InvalidInput("event_extension_mismatch", f"{name} differs from the data of the event", field=name)
    if payload.subject() not in (None, event.subject):
        raise InvalidInput("event_subject_mismatch", "subject differs from the data of the event", field="subject")
    return payload


def _id(payload: Payload, cause: CloudEvent | None) -> str:
    if cause is None:
        return str(uuid4())
    token = payload.extensions().get("token")
    return derived_id(cause.id, cause.source, payload.event_type, payload.subject(), token)


def _trace(cause: CloudEvent | None) -> str | None:
    if (here := context.current()) is not None:
        return here.format()
    return cause.extensions.get("traceparent") if cause else None


def _about() -> dict[str, str]:
    about = context.about()
    return {name: str(about[attribute]) for name, attribute in ABOUT.items() if attribute in about}


def _rfc3339(time: datetime) -> str:
    """UTC without trailing zeros, the spelling that brokers written in Go leave alone."""
    if time.tzinfo is None:
        raise ValueError("the time of an event needs a zone")
    text = time.astimezone(UTC).isoformat().removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "Z"


def _refusal(exc: ValidationError) -> InvalidInput:
    """Of the first error, where and what kind. An unknown field's own name is input, so its parent is named."""
    error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    unknown = error["type"] == "extra_forbidden"
    path = error["loc"][:-1] if unknown else error["loc"]
    field = ".".join(["data", *map(str, path)])
    if unknown:
        return InvalidInput("event_data_invalid", f"{field} has a field that is not known", field=field)
    if error["type"] == "missing":
        return InvalidInput("event_data_invalid", f"{field} is missing", field=field)
    return InvalidInput("event_data_invalid", f"{field} is not valid ({error['type']})", field=field)
