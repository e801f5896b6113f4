"""An event on its way out, as a span."""

from urllib.parse import urlsplit

from observe import context, tracing
from observe.span import Span
from observe.vocabulary import Name, Value
from shared.events.event import CloudEvent, short


def sending(url: str, event: CloudEvent) -> Span:
    """In the trace of whoever sends, or else in the event's own: a relay has none."""
    parts = urlsplit(url)
    attributes: dict[Name, Value] = {
        "cloudevents.event_id": event.id,
        "cloudevents.event_type": event.type,
        "messaging.operation.type": "send",
        "server.address": parts.hostname or "",
        "url.path": parts.path,
    }
    parent = context.current() or context.parse(event.extensions.get("traceparent"))
    return tracing.span(f"publish {short(event.type)}", attributes, kind="producer", parent=parent)
