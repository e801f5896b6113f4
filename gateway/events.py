"""Events from other systems: of the types we take from outside, on behalf of the caller whose key comes along.

`dev.sluice.urls.submitted.v1` carries what `POST /api/orchestrator/jobs` takes. The types that our functions send one
another are refused here, signed or not: whoever is outside speaks for itself only.
"""

from uuid import UUID

from fastapi import Request, Response
from pydantic import ValidationError

from gateway.problems import FieldError, InvalidFields, field_name, of_error, sentence
from gateway.resources import Caller, Opened
from gateway.submission import Submission, accept
from shared.errors import InvalidInput, TooLarge
from shared.events.codec import decode
from shared.events.event import CloudEvent
from shared.events.ids import derived_id

URLS_SUBMITTED = "dev.sluice.urls.submitted.v1"


async def receive(request: Request, caller: Caller, resources: Opened) -> Response:
    """Takes one CloudEvent, binary or structured. The answer has no body, as a broker wants it; Location is the job."""
    body = await request.body()
    try:
        event = decode(request.scope["headers"], body)
    except TooLarge:
        raise
    except InvalidInput as error:
        return of_error(request, error, 400)
    submission = _submission(event)
    job_id = UUID(derived_id(caller.caller_id, event.source, event.id))
    accepted = await accept(submission, caller.caller_id, job_id, resources)
    return Response(status_code=202, headers={"Location": accepted.links["self"]})


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
