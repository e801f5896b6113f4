"""The event that a PingSource sends."""

from datetime import datetime

from emulator.broker.event import Event
from emulator.eventing import PingSource

PING_TYPE = "dev.knative.sources.ping"


def tick_event(source: PingSource, event_id: str, now: datetime) -> Event:
    """`now` in UTC."""
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/apis/v1/namespaces/{source.namespace}/pingsources/{source.name}",
        "type": PING_TYPE,
        "time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
    }
    if source.content_type:
        attributes["datacontenttype"] = source.content_type
    return Event(attributes | dict(source.extensions), source.data)
