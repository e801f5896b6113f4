"""How a webhook proves where it comes from: the scheme of standardwebhooks.com, with a secret of each caller's own.

The secret follows from our signing key and the caller's id, so that no table holds it.
"""

import base64
import hmac
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105  what a secret begins with


class WebhookSigner:
    """Signs with every key: while keys rotate, the old secret of a caller and its new one both hold."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def from_secret(cls, secret: bytes) -> "WebhookSigner":
        """The keys that sign events, one a line."""
        return cls([line.strip() for line in secret.splitlines() if line.strip()])

    def secret(self, caller_id: str) -> str:
        """What the caller verifies with. It changes with the first key."""
        return SECRET_PREFIX + base64.b64encode(_derived(self._keys[0], caller_id)).decode()

    def headers(self, caller_id: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        content = f"{message_id}.{timestamp}.".encode() + body
        macs = [hmac.digest(_derived(key, caller_id), content, "sha256") for key in self._keys]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs),
        }


def _derived(key: bytes, caller_id: str) -> bytes:
    return hmac.digest(key, f"webhook:{caller_id}".encode(), "sha256")
