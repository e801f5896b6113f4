"""Applies an event: inbox, decision, compare-and-swap, counts and outbox, with an effect once."""

from datetime import datetime

from shared.contracts.payload import Payload
from shared.events.event import CloudEvent
from shared.pipeline.policy import PATIENT, Policy
from shared.store.store import Store


async def apply(
    store: Store,
    event: CloudEvent,
    payload: Payload,
    now: datetime,
    policy: Policy = PATIENT,
) -> list[CloudEvent]:
    """A document's event or a job's cancel or replay. The events to send on; none for a duplicate or a late event."""
    raise NotImplementedError
