"""Ids that a re-run makes again: the same cause and parts, the same id."""

import json
from uuid import UUID, uuid5

_NAMESPACE = UUID("a3f0c1de-6f0a-5d52-9a3e-0b7c51d6e0aa")


def derived_id(cause_id: str, *parts: str | int | None) -> str:
    """A UUIDv5 of the cause and the parts. JSON keeps ("a", "bc") and ("ab", "c") apart."""
    return str(uuid5(_NAMESPACE, json.dumps([cause_id, *parts], ensure_ascii=True)))
