"""Which model reads which event type. Modules load on demand, so that a function pays only for the events it knows."""

from importlib import import_module
from typing import cast

from shared.contracts.payload import Payload
from shared.errors import InvalidInput

MODELS = {
    "dev.sluice.job.submitted.v1": "jobs:JobSubmitted",
    "dev.sluice.job.cancel_requested.v1": "jobs:JobCancelRequested",
    "dev.sluice.job.replay_requested.v1": "jobs:JobReplayRequested",
    "dev.sluice.job.completed.v1": "jobs:JobCompleted",
    "dev.sluice.job.failed.v1": "jobs:JobFailed",
    "dev.sluice.job.cancelled.v1": "jobs:JobCancelled",
    "dev.sluice.document.indexed.v1": "jobs:DocumentIndexed",
    "dev.sluice.corpus.delete_requested.v1": "jobs:CorpusDeleteRequested",
    "dev.sluice.webhook.redelivery_requested.v1": "jobs:WebhookRedeliveryRequested",
    "dev.sluice.scrape.requested.v1": "stages:ScrapeRequested",
    "dev.sluice.document.scraped.v1": "stages:DocumentScraped",
    "dev.sluice.sitemap.read.v1": "stages:SitemapRead",
    "dev.sluice.chunk.requested.v1": "stages:ChunkRequested",
    "dev.sluice.document.chunked.v1": "stages:DocumentChunked",
    "dev.sluice.embed.requested.v1": "stages:EmbedRequested",
    "dev.sluice.document.embedded.v1": "stages:DocumentEmbedded",
    "dev.sluice.stage.failed.v1": "stages:StageFailed",
    "dev.sluice.pipeline.tick.v1": "stages:PipelineTick",
}

# The gateway sends these to the orchestrator itself: no Trigger has them.
DIRECT = frozenset(
    {
        "dev.sluice.job.submitted.v1",
        "dev.sluice.job.cancel_requested.v1",
        "dev.sluice.job.replay_requested.v1",
        "dev.sluice.corpus.delete_requested.v1",
        "dev.sluice.webhook.redelivery_requested.v1",
    }
)
# For whoever wants to know: any number of subscribers, and none too.
ANNOUNCED = frozenset(
    {
        "dev.sluice.job.completed.v1",
        "dev.sluice.job.failed.v1",
        "dev.sluice.job.cancelled.v1",
        "dev.sluice.document.indexed.v1",
    }
)

# A PingSource sends its own type and cannot be told another: its event is our tick.
ALIASES = {"dev.knative.sources.ping": "dev.sluice.pipeline.tick.v1"}


def payload_class(event_type: str) -> type[Payload]:
    """The model of an event type, or `InvalidInput` with code `unknown_event_type`."""
    try:
        module, name = MODELS[ALIASES.get(event_type, event_type)].split(":")
    except KeyError:
        raise InvalidInput("unknown_event_type", "this event type or version is not known here", field="type") from None
    return cast("type[Payload]", getattr(import_module(f"shared.contracts.{module}"), name))


def schema_id(event_type: str) -> str:
    """The `dataschema` of an event type: the `$id` of its JSON Schema."""
    return f"urn:sluice:schema:{event_type.removeprefix('dev.sluice.')}"
