"""From a caller's list of URLs to a job: all of them good, or none accepted."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.problems import FieldError, InvalidFields
from gateway.resources import Resources
from gateway.views import Accepted
from shared.contracts.envelope import to_event
from shared.contracts.jobs import CorpusName, JobSubmitted
from shared.errors import InvalidInput
from shared.events.ids import derived_id
from shared.urls import normalise

MAX_URLS = 10_000


class Submission(BaseModel):
    """URLs to index, as `url` or `urls`, into a corpus that is made when it is new."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"urls": ["https://example.org/guide"], "corpus": "handbook"}]},
    )

    url: str | None = None
    urls: Annotated[list[str] | None, Field(min_length=1, max_length=MAX_URLS)] = None
    corpus: CorpusName = "default"

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.url is None) == (self.urls is None):
            raise ValueError("give either url or urls")
        return self

    def entries(self) -> tuple[tuple[str, str], ...]:
        """(field, url) of every URL given."""
        if self.url is not None:
            return (("url", self.url),)
        return tuple((f"urls[{index}]", url) for index, url in enumerate(self.urls or ()))


async def accept(submission: Submission, caller_id: str, job_id: UUID, resources: Resources) -> Accepted:
    """Stores the list, then tells the orchestrator, whose answer means that the job is in the database.

    Job and event ids go together: whoever submits again under the same job id changes nothing.
    """
    urls = await asyncio.to_thread(distinct_urls, submission.entries(), normalise)
    # A folder of its own: no other submission can store the same list there while housekeeping removes it.
    folder = derived_id("submissions", caller_id, str(job_id))
    ref = await resources.objects.put(folder, "urls", json.dumps(urls, ensure_ascii=False).encode())
    payload = JobSubmitted(job_id=job_id, caller_id=caller_id, corpus=submission.corpus, urls=ref, count=len(urls))
    event_id = derived_id(str(job_id), "submitted")
    event = to_event(payload, source="/gateway", cause=None, time=datetime.now(UTC), id=event_id)
    await resources.functions.send("orchestrator", event)
    here = f"/api/orchestrator/jobs/{job_id}"
    links = {"self": here, "documents": f"{here}/documents"}
    return Accepted(job_id=job_id, documents=len(urls), corpus=submission.corpus, links=links)


def distinct_urls(entries: Sequence[tuple[str, str]], normalise: Callable[[str], str]) -> list[str]:
    """Normalised, duplicates merged, in order. Raises `InvalidFields` naming every one that is no good."""
    urls: dict[str, None] = {}
    errors = []
    for field, raw in entries:
        try:
            urls[normalise(raw)] = None
        except InvalidInput as error:
            errors.append(FieldError(field, error.code, error.message))
    if not errors:
        return list(urls)
    if len(errors) == 1:
        raise InvalidFields(errors[0].code, f"{errors[0].field}: {errors[0].message}", errors)
    raise InvalidFields("urls_invalid", f"{len(errors)} of {len(entries)} URLs are not acceptable", errors)
