"""Our own services, told from others by configuration: no answer of Membership can make a caller one of them."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from shared.errors import InvalidInput
from shared.settings import Environment

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SEPARATORS: Final = re.compile(r"""[\s,\[\]"']+""")


@dataclass(frozen=True, slots=True)
class InternalCallers:
    """`caller_ids` as Membership gives them; `key_hash` is the SHA-256 of a key that is good without asking anybody."""

    caller_ids: frozenset[str] = frozenset()
    key_hash: str = ""

    @classmethod
    def read(cls, env: Environment) -> "InternalCallers":
        """The ids are separated by commas, or a JSON list."""
        ids = _SEPARATORS.split(env.optional("INTERNAL_CALLER_IDS") or "")
        key_hash = (env.optional("ORCHESTRATOR_KEY_HASH") or "").lower()
        if key_hash and not _SHA256.fullmatch(key_hash):
            sentence = "ORCHESTRATOR_KEY_HASH must be the SHA-256 of a key: 64 hexadecimal digits"
            raise InvalidInput("setting_invalid", sentence, field="ORCHESTRATOR_KEY_HASH")
        return cls(frozenset(filter(None, ids)), key_hash)

    def owns_key(self, api_key: str) -> bool:
        """Takes the same time for every key."""
        return bool(self.key_hash) and hmac.compare_digest(hashlib.sha256(api_key.encode()).hexdigest(), self.key_hash)
