"""Reads what Membership answers, as one reads what a stranger says."""

import json
import re
from collections.abc import Callable
from typing import Final

from shared.auth.access import DEFAULT_SCOPES
from shared.auth.context import CallerContext, CallerType
from shared.errors import Unavailable
from shared.events.event import Json

MAX_BYTES: Final = 64 * 1024
# They go into logs, tables and answers.
_CALLER_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_WORD: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_MAX_SCOPES: Final = 64


def read_caller(body: bytes) -> CallerContext:
    """Raises `Unavailable` for anything but an answer that makes sense: nobody gets in on nonsense."""
    try:
        answer = json.loads(body)
        return CallerContext(
            caller_id=_text(answer["caller_id"], _CALLER_ID.fullmatch),
            caller_type=_caller_type(answer.get("caller_type")),
            tier=_text(answer.get("tier", "standard"), _WORD.fullmatch),
            scopes=_scopes(answer.get("scopes", DEFAULT_SCOPES)),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise Unavailable("membership_invalid", "membership gave an answer nobody can read", retry_after_s=5) from exc


def _caller_type(value: Json) -> CallerType:
    return "user" if value == "user" else "service" if value == "service" else "unknown"


def _scopes(value: "Json | tuple[str, ...]") -> frozenset[str]:
    if not isinstance(value, list | tuple) or len(value) > _MAX_SCOPES:
        raise TypeError
    return frozenset(_text(one, _WORD.fullmatch) for one in value)


def _text(value: object, fits: Callable[[str], object]) -> str:
    if not isinstance(value, str) or not fits(value):
        raise TypeError
    return value
