"""The webhook routes: what was sent and what came of it, once more, and the secret to verify with."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel

from gateway import cursors
from gateway.jobs import tell
from gateway.parameters import Cursor, Limit
from gateway.resources import Caller, Opened, Resources
from shared.contracts.jobs import WebhookRedeliveryRequested
from shared.errors import NotFound
from shared.events.webhooks import WebhookSigner
from shared.store import webhooks as store
from shared.store.webhooks import DeliveryView

DeliveryState = Literal["pending", "delivered", "failed"]


class Attempt(BaseModel):
    """One try. Without `status` nobody answered."""

    attempt: int
    at: datetime
    seconds: float
    status: int | None
    error: str | None


class Delivery(BaseModel):
    """`delivery_id` is the `webhook-id` that the receiver sees. `next_at` is when it is tried again."""

    delivery_id: UUID
    job_id: UUID
    url: str
    type: str
    status: DeliveryState
    next_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    attempts: list[Attempt]

    @classmethod
    def of(cls, view: DeliveryView) -> Self:
        return cls.model_validate(
            {
                "delivery_id": view.id,
                "job_id": view.job_id,
                "url": view.url,
                "type": view.type,
                "status": view.state,
                "next_at": view.next_at,
                "created_at": view.created_at,
                "ended_at": view.ended_at,
                "attempts": [
                    Attempt(attempt=one.attempt, at=one.at, seconds=one.seconds, status=one.status, error=one.error)
                    for one in view.attempts
                ],
            }
        )


class DeliveryPage(BaseModel):
    """Newest first; `next` is the cursor of the page after this one."""

    deliveries: list[Delivery]
    next: str | None


class Secret(BaseModel):
    """`secret` verifies the header `webhook-signature`, as standardwebhooks.com describes."""

    secret: str


async def list_deliveries(
    caller: Caller,
    resources: Opened,
    job_id: UUID | None = None,
    status: DeliveryState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> DeliveryPage:
    """What was or will be sent to the caller's webhooks, with every try."""
    after = None if cursor is None else cursors.decode_moment(cursor)
    found = await store.list_deliveries(
        resources.store, caller.caller_id, job_id=job_id, state=status, limit=limit + 1, after=after
    )
    page = found[:limit]
    more = cursors.encode_moment(page[-1].created_at, page[-1].id) if len(found) > limit else None
    return DeliveryPage(deliveries=[Delivery.of(view) for view in page], next=more)


async def redeliver(delivery_id: UUID, caller: Caller, resources: Opened) -> Delivery:
    """Sends it once more, whether it had arrived or not."""
    await _own(resources, caller.caller_id, delivery_id)
    await tell(resources, WebhookRedeliveryRequested(delivery_id=delivery_id, caller_id=caller.caller_id))
    return Delivery.of(await _own(resources, caller.caller_id, delivery_id))


async def secret(caller: Caller, resources: Opened) -> Secret:
    """The secret that the caller's webhooks are signed with."""
    return Secret(secret=WebhookSigner.from_secret(resources.settings.signing_keys).secret(caller.caller_id))


async def _own(resources: Resources, caller_id: str, delivery_id: UUID) -> DeliveryView:
    view = await store.get_delivery(resources.store, caller_id, delivery_id)
    if view is None:
        raise NotFound("delivery_not_found", "there is no such delivery, or it is not yours")
    return view
