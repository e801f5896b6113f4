"""One event on its way to one Trigger: attempts at the subscriber, its reply to the broker, or the dead letter.

Pure: `advance` says what comes next; `courier` makes the requests and `lanes` waits.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import TypeAlias, assert_never

from emulator.broker.event import TTL, Event
from emulator.broker.ports import Destination
from emulator.broker.replies import Accepted, Failed, Replied, Result
from emulator.broker.retry import DeliveryPolicy, retry_after_s, wait_s


class Phase(Enum):
    SUBSCRIBER = "subscriber"
    REPLY = "reply"
    DEAD_LETTER = "dead letter"


class End(Enum):
    DELIVERED = "delivered"
    DEAD_LETTERED = "dead lettered"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Route:
    """What a Trigger says of delivery, with names resolved."""

    namespace: str
    broker: str
    name: str
    subscriber: Destination
    policy: DeliveryPolicy


@dataclass(frozen=True, slots=True)
class Flight:
    """`event` is what the broker accepted, `outgoing` what the present phase sends."""

    route: Route
    key: int
    event: Event
    outgoing: Event
    phase: Phase = Phase.SUBSCRIBER
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Again:
    flight: Flight
    wait_s: float
    is_retry: bool


Move: TypeAlias = Again | End


def advance(flight: Flight, result: Result, now: datetime) -> Move:
    match result:
        case Accepted():
            return End.DEAD_LETTERED if flight.phase is Phase.DEAD_LETTER else End.DELIVERED
        case Replied(event):
            return _next_phase(flight, Phase.REPLY, event.with_attributes(**{TTL: flight.event.attributes[TTL]}))
        case Failed():
            return _after_failure(flight, result, now)
        case _:
            assert_never(result)


def _after_failure(flight: Flight, failed: Failed, now: datetime) -> Move:
    policy = flight.route.policy
    if failed.retryable and flight.retries < policy.retry:
        asked = retry_after_s(failed.retry_after, now) if failed.retry_after is not None else None
        wait = wait_s(policy, flight.retries, failed.status, asked)
        return Again(replace(flight, retries=flight.retries + 1), wait, is_retry=True)
    if flight.phase is Phase.DEAD_LETTER or policy.dead_letter_sink is None:
        return End.LOST
    return _next_phase(flight, Phase.DEAD_LETTER, flight.event.with_attributes(**dict(failed.attributes)))


def _next_phase(flight: Flight, phase: Phase, outgoing: Event) -> Again:
    return Again(replace(flight, phase=phase, outgoing=outgoing, retries=0), 0.0, is_retry=False)
