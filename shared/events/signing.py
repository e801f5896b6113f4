"""Signs events, so that no one outside can claim that something happened inside."""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import replace

from shared.errors import InvalidInput, Unauthenticated
from shared.events.attributes import instant
from shared.events.event import CloudEvent
from shared.events.strict_json import canonical

SIGNATURE = "signature"
_SIGNED_EXTENSIONS = ("jobid", "token", "traceparent")
_DOMAIN = b"sluice-event-v1\n"
_SHORTEST_KEY = 16


class Signer:
    """The first key signs, all verify: put a new key first, and remove the old one when nothing it signed is left."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) < _SHORTEST_KEY for key in keys):
            message = f"event-signing-key must hold keys of at least {_SHORTEST_KEY} bytes, one a line"
            raise InvalidInput("signing_key_weak", message, field="event-signing-key")
        self._keys = tuple(keys)

    @classmethod
    def from_secret(cls, secret: bytes) -> "Signer":
        """One key a line."""
        return cls([line.strip() for line in secret.splitlines() if line.strip()])

    def sign(self, event: CloudEvent) -> CloudEvent:
        """The same event with the extension `signature`, in place of any it had."""
        return replace(event, extensions=event.extensions | {SIGNATURE: _mac(self._keys[0], _message(event))})

    def verify(self, event: CloudEvent) -> None:
        """Raises `Unauthenticated`: `event_unsigned` or `event_signature_invalid`."""
        claimed = event.extensions.get(SIGNATURE)
        if not claimed:
            raise Unauthenticated("event_unsigned", "the event carries no signature", field=SIGNATURE)
        message = _message(event)
        # Every key is tried, so that the time taken does not tell which one fits.
        matches = [hmac.compare_digest(_mac(key, message).encode(), claimed.encode()) for key in self._keys]
        if not any(matches):
            raise Unauthenticated("event_signature_invalid", "the event's signature does not hold", field=SIGNATURE)


def _mac(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, "sha256").hex()


def _message(event: CloudEvent) -> bytes:
    """What no hop changes. A broker may rewrite the time's spelling and the data's, and add extensions of its own."""
    return _DOMAIN + b"".join(_framed(field) for field in _fields(event)) + canonical(event.data)


def _fields(event: CloudEvent) -> Iterator[str | None]:
    yield from (event.id, event.source, event.type, event.subject)
    yield None if event.time is None else instant(event.time)
    yield from (event.extensions.get(name) for name in _SIGNED_EXTENSIONS)


def _framed(field: str | None) -> bytes:
    """Length first, so that no text can pass for two fields, and absent differs from empty."""
    if field is None:
        return b"-\n"
    content = field.encode()
    return b"%d\n%b\n" % (len(content), content)
