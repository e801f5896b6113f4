"""From what was asked for to a job: stored, told to the orchestrator, and known again when it comes twice."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel

from gateway.problems import FieldError
from gateway.resources import Resources
from gateway.submission import JOBS, Submission, distinct_urls
from gateway.views import Accepted, Skipped
from observe import tracing
from shared.auth.context import CallerContext
from shared.contracts.envelope import to_event
from shared.contracts.jobs import JobSubmitted, SitemapOptions, Webhook, is_corpus_id
from shared.errors import InvalidInput, NotFound, SluiceError, StageFailure
from shared.events.ids import derived_id
from shared.objects import submission_folder
from shared.outbound.addresses import Guard
from shared.store import reads
from shared.urls import host_and_port, normalise


@dataclass(frozen=True, slots=True)
class Asked:
    """Normalised URLs, and what is to become of them.

    `request_sha256` is set where a repetition must be the same; `skipped` are URLs that were left out, if any may be.
    """

    urls: Sequence[str]
    corpus: str
    sitemap: SitemapOptions | None = None
    text: str | None = None
    title: str | None = None
    webhook: Webhook | None = None
    announced: bool = True
    request_sha256: str | None = None
    skipped: Sequence[FieldError] | None = None


def fingerprint(body: BaseModel) -> str:
    """The same for the same request, however it was spelled."""
    return hashlib.sha256(json.dumps(body.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


async def read(submission: Submission, guard: Guard, *, request_sha256: str | None = None) -> Asked:
    """Raises `InvalidFields` and `InvalidInput`; nothing is stored yet."""
    urls, errors = await asyncio.to_thread(
        distinct_urls, submission.entries(), normalise, skip_invalid=submission.skip_invalid
    )
    return Asked(
        urls=urls,
        corpus=submission.corpus,
        sitemap=submission.sitemap.options() if submission.sitemap else None,
        webhook=_reachable(submission.webhook, guard),
        request_sha256=request_sha256,
        skipped=errors if submission.skip_invalid else None,
    )


def answer(asked: Asked, job_id: UUID) -> Accepted:
    here = f"{JOBS}/{job_id}"
    return Accepted(
        job_id=job_id,
        documents=len(asked.urls),
        corpus=asked.corpus,
        skipped=None if asked.skipped is None else [Skipped(**error.as_json()) for error in asked.skipped],
        links={"self": here, "documents": f"{here}/documents"},
    )


async def accept(
    asked: Asked, caller: CallerContext, job_id: UUID, resources: Resources, *, function: str = "orchestrator"
) -> None:
    """Stores what was asked for, then tells the orchestrator, whose answer means that the job is in the database.

    Job and event ids go together: whoever submits again under the same job id changes nothing.
    """
    tracing.note({"job.id": str(job_id), "corpus.name": asked.corpus})
    await _check_same(asked, caller.caller_id, job_id, resources)
    await _check_corpus(asked, caller.caller_id, resources)
    # A folder of its own: no other submission can store the same list there while housekeeping removes it.
    folder = submission_folder(caller.caller_id, job_id)
    urls = await resources.objects.put(folder, "urls", json.dumps(list(asked.urls), ensure_ascii=False).encode())
    text = None if asked.text is None else await resources.objects.put(folder, "text", _encoded(asked.text))
    payload = JobSubmitted(
        job_id=job_id,
        caller_id=caller.caller_id,
        corpus=asked.corpus,
        urls=urls,
        count=len(asked.urls),
        sitemap=asked.sitemap,
        text=text,
        title=_storable(asked.title),
        webhook=asked.webhook,
        announced=asked.announced,
        request_sha256=asked.request_sha256,
        weight=resources.settings.tier_weights.get(caller.tier, 1),
    )
    event_id = derived_id(str(job_id), "submitted")
    event = to_event(payload, source="/gateway", cause=None, time=resources.store.clock.now(), id=event_id)
    try:
        await resources.functions.send(function, event)
    except SluiceError:
        await _check_corpus(asked, caller.caller_id, resources)  # which may have been taken back meanwhile
        raise
    # Two different requests under one key may have raced: only one of them is the job.
    await _check_same(asked, caller.caller_id, job_id, resources)


async def _check_same(asked: Asked, caller_id: str, job_id: UUID, resources: Resources) -> None:
    if asked.request_sha256 is None:
        return
    job = await reads.get_job(resources.store, caller_id, job_id)
    if job is not None and job.request_sha256 != asked.request_sha256:
        raise InvalidInput(
            "idempotency_key_reused",
            "this key or job_id was used before, for another request: take a new one",
            field="Idempotency-Key",
        )


async def _check_corpus(asked: Asked, caller_id: str, resources: Resources) -> None:
    """A name may be new, an id may not."""
    if is_corpus_id(asked.corpus) and not await reads.reach_corpus(resources.store, caller_id, asked.corpus, "write"):
        sentence = "there is no corpus with this id that you may write into"
        raise NotFound("corpus_not_found", sentence, field="corpus")


def _reachable(webhook: Webhook | None, guard: Guard) -> Webhook | None:
    """With its URL normalised, and refused here as far as its name alone tells; its addresses are checked later."""
    if webhook is None:
        return None
    try:
        url = normalise(webhook.url)
        guard.check_name(*host_and_port(url))
    except (InvalidInput, StageFailure) as error:
        raise InvalidInput("webhook_url_invalid", f"webhook.url: {error.message}", field="webhook.url") from None
    return webhook.model_copy(update={"url": url})


def _encoded(text: str) -> bytes:
    """Half a character becomes U+FFFD, as when a page holds one."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _storable(title: str | None) -> str | None:
    return None if title is None else _encoded(title).decode()
