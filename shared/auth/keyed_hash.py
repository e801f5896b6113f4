"""API keys and callers are known by keyed hashes only: a stolen table gives nobody a key."""

import hashlib
import hmac
import re
import secrets

KEY_PREFIX = "slk_"
_KEY = re.compile(r"[\x21-\x7e]{8,256}")


def new_api_key() -> str:
    """A fresh key of 256 random bits, to be shown once."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def is_api_key(text: str) -> bool:
    """Whether a text could be a key at all; other systems' keys may look different from ours."""
    return _KEY.fullmatch(text) is not None


def key_hash(secret: bytes, api_key: str) -> str:
    """What is stored and cached instead of a key."""
    return _keyed(secret, "key", api_key)


def caller_hash(secret: bytes, caller: str) -> str:
    """The `caller_id` of a named caller: stable while its keys come and go."""
    return _keyed(secret, "caller", caller)


def _keyed(secret: bytes, kind: str, value: str) -> str:
    return hmac.new(secret, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()
