"""Signs events, so that no one outside can claim that something happened inside."""

from collections.abc import Sequence

from shared.events.event import CloudEvent


class Signer:
    """The first key signs, all verify: put a new key first, and remove the old one when nothing it signed is left."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def from_secret(cls, secret: bytes) -> "Signer":
        """One key a line."""
        return cls([line.strip() for line in secret.splitlines() if line.strip()])

    def sign(self, event: CloudEvent) -> CloudEvent:
        """The same event with the extension `signature`. Being written."""
        raise NotImplementedError

    def verify(self, event: CloudEvent) -> None:
        """Raises `Unauthenticated`: `event_unsigned` or `event_signature_invalid`. Being written."""
        raise NotImplementedError
