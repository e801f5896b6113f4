"""Makes the requests of a flight and says how they went."""

import errno
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from emulator.broker.event import STRUCTURED, TTL, Event, binary_headers, structured_body
from emulator.broker.flight import Flight, Phase
from emulator.broker.ports import (
    Answer,
    BrokerDestination,
    Clock,
    Destination,
    Errand,
    Headers,
    Sender,
    Unreachable,
    UriDestination,
)
from emulator.broker.replies import TIMED_OUT, Result, read_plain, read_reply, unreachable

# The real fan-out gives up after a quarter of an hour, whatever a Trigger says.
LONGEST_ATTEMPT_S = 900.0
CRASHING_BODY_BYTES = 768
_MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)

_log = logging.getLogger(__name__)

Receive = Callable[[str, str, Event], Awaitable[int]]


class Courier:
    """`receive` puts an event into a broker of this process and answers as its ingress does."""

    def __init__(self, sender: Sender, receive: Receive, clock: Clock) -> None:
        self._sender = sender
        self._receive = receive
        self._clock = clock

    async def attempt(self, flight: Flight) -> Result:
        """One attempt of the flight's present phase. Never raises but when cancelled."""
        url = _target(flight).url
        try:
            async with self._clock.timeout(flight.route.policy.timeout_s or LONGEST_ATTEMPT_S):
                return await self._send(flight, url)
        except TimeoutError:
            return TIMED_OUT
        except Unreachable as error:
            return unreachable(url, _reason(error, url))
        except Exception as error:
            _log.exception("a delivery failed in an unforeseen way", extra={"trigger": flight.route.name})
            return unreachable(url, type(error).__name__)

    async def _send(self, flight: Flight, url: str) -> Result:
        route = flight.route
        if flight.phase is Phase.REPLY:
            return read_plain(Answer(await self._receive(route.namespace, route.broker, flight.outgoing)), url)
        if flight.phase is Phase.DEAD_LETTER:
            return read_plain(await self._post(_target(flight), flight, flight.outgoing), url)
        answer = await self._post(route.subscriber, flight, flight.outgoing.without(TTL))
        if answer.status >= 300 and len(answer.body) > CRASHING_BODY_BYTES and route.policy.dead_letter_sink:
            size = len(answer.body)
            _log.warning(
                "trigger %s: an error body of %d bytes ends a cluster's in-memory dispatcher", route.name, size
            )
        return read_reply(answer, url)

    async def _post(self, destination: Destination, flight: Flight, event: Event) -> Answer:
        if isinstance(destination, BrokerDestination):
            return Answer(await self._receive(destination.namespace, destination.name, event))
        errand = Errand(destination, *_message(flight, event))
        answer = await self._sender.send(errand)
        for _ in range(_MAX_REDIRECTS):
            location = _location(answer)
            if location is None:
                return answer
            errand = replace(errand, destination=_moved(errand.destination.url, location))
            if answer.status not in (307, 308):
                errand = Errand(errand.destination, _without_content(errand.headers), method="GET")
            answer = await self._sender.send(errand)
        raise Unreachable(f"stopped after {_MAX_REDIRECTS} redirects")


def _moved(url: str, location: str) -> UriDestination:
    try:
        return UriDestination(urljoin(url, location))
    except ValueError as error:
        raise Unreachable(f"failed to parse Location header {location!r}") from error


def _target(flight: Flight) -> Destination:
    if flight.phase is Phase.DEAD_LETTER and flight.route.policy.dead_letter_sink is not None:
        return flight.route.policy.dead_letter_sink
    if flight.phase is Phase.REPLY:
        return BrokerDestination(flight.route.namespace, flight.route.broker)
    return flight.route.subscriber


def _message(flight: Flight, event: Event) -> tuple[list[tuple[str, str]], bytes]:
    extra = [*flight.outgoing.passed, ("kn-namespace", flight.route.namespace)]
    if flight.phase is Phase.SUBSCRIBER:
        extra.append(("prefer", "reply"))
    if flight.route.policy.format == "json":
        return [*extra, ("content-type", STRUCTURED)], structured_body(event)
    return binary_headers(event) + extra, event.body


def _reason(error: Unreachable, url: str) -> str:
    """Go's words where we know them: they end up in the dead letter."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
        parts = urlsplit(url)
        return f"dial tcp {parts.hostname}:{parts.port or 80}: connect: connection refused"
    return str(error)


def _location(answer: Answer) -> str | None:
    """Go's client follows redirects; a POST becomes a GET unless the status forbids it."""
    if answer.status not in _REDIRECTS:
        return None
    return next((value for name, value in answer.headers if name == "location" and value), None)


def _without_content(headers: Headers) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name != "content-type"]
