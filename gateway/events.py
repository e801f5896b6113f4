"""Events from other systems: of the types we take from outside, on behalf of the caller whose key comes along.

`dev.sluice.urls.submitted.v1` carries what `POST /api/orchestrator/jobs` takes. The types that our functions send one
another are refused here, signed or not: whoever is outside speaks for itself only.
"""

from collections.abc import Sequence
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from gateway.accepting import Asked, accept, answer, read
from gateway.problems import FieldError, InvalidFields, field_name, of_error, sentence
from gateway.resources import Caller, Opened, Resources
from gateway.submission import Submission
from gateway.views import Accepted, AcceptedBatch
from shared.auth.context import CallerContext
from shared.errors import InvalidInput, TooLarge
from shared.events.codec import decode, decode_batch, is_batch
from shared.events.event import CloudEvent
from shared.events.ids import derived_id
from shared.outbound.addresses import Guard

URLS_SUBMITTED = "dev.sluice.urls.submitted.v1"
MAX_BATCH = 100

_EVENT = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "pattern": r"^[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+$"},
        "type": {"const": URLS_SUBMITTED},
        "data": {"$ref": "#/components/schemas/Submission"},
    },
    "examples": [
        {
            "specversion": "1.0",
            "id": "2026-02-03-1",
            "source": "/workbench",
            "type": URLS_SUBMITTED,
            "data": {"url": "https://example.org/guide", "corpus": "handbook"},
        }
    ],
}
_BATCH = {"type": "array", "minItems": 1, "maxItems": MAX_BATCH, "items": _EVENT}
# The binary form has its attributes in headers, which no schema of a body can say.
OPENAPI = {
    "requestBody": {
        "required": True,
        "content": {
            "application/cloudevents+json": {"schema": _EVENT},
            "application/cloudevents-batch+json": {"schema": _BATCH},
        },
    },
}


async def receive(request: Request, caller: Caller, resources: Opened) -> Response:
    """Takes a CloudEvent, binary or structured, or a batch.

    The answer to one has no body, as a broker wants it: Location is the job. A batch is answered with its jobs, in its
    order; an event of it that cannot be taken refuses all of them.
    """
    body = await request.body()
    try:
        batch = decode_batch(body) if is_batch(request.headers.get("content-type", "")) else None
        single = decode(request.scope["headers"], body) if batch is None else None
    except TooLarge:
        raise
    except InvalidInput as error:
        return of_error(request, error, 400)
    guard = resources.settings.webhook_guard
    if single is not None:
        accepted = await _take(single, await read(_submission(single), guard), caller, resources)
        return Response(status_code=202, headers={"Location": accepted.links["self"]})
    jobs = [await _take(event, asked, caller, resources) for event, asked in await _read(batch or [], guard)]
    return JSONResponse(AcceptedBatch(jobs=jobs).model_dump(mode="json"), 202)


async def _take(event: CloudEvent, asked: Asked, caller: CallerContext, resources: Resources) -> Accepted:
    """The same event of the same caller is the same job, however often it comes."""
    job_id = UUID(derived_id(caller.caller_id, event.source, event.id))
    await accept(asked, caller, job_id, resources)
    return answer(asked, job_id)


async def _read(batch: Sequence[CloudEvent], guard: Guard) -> list[tuple[CloudEvent, Asked]]:
    """Raises `InvalidFields` that names everything at fault in any event."""
    if not 0 < len(batch) <= MAX_BATCH:
        raise InvalidInput("event_batch", f"a batch has 1 to {MAX_BATCH} events", field="batch")
    good, errors = [], []
    for place, event in enumerate(batch):
        try:
            good.append((event, await read(_submission(event), guard)))
        except InvalidFields as error:
            errors += [FieldError(f"[{place}].{one.field}", one.code, one.message) for one in error.errors]
        except InvalidInput as error:
            errors.append(FieldError(f"[{place}].{error.field}", error.code, error.message))
    if errors:
        raise InvalidFields("event_batch_invalid", f"{len(errors)} things are wrong with the batch", errors)
    return good


def _submission(event: CloudEvent) -> Submission:
    if event.type != URLS_SUBMITTED:
        raise InvalidInput(
            "event_type_not_allowed", f"from outside only events of type {URLS_SUBMITTED} are taken", field="type"
        )
    try:
        return Submission.model_validate(event.data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        errors = [
            FieldError(field_name(("data", "data", *one["loc"])), "invalid_field", sentence(one)) for one in found
        ]
        raise InvalidFields("event_data_invalid", "the data of the event is not valid", errors) from None
