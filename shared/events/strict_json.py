"""JSON without the parts on which two parsers may differ, and one spelling of it for signatures."""

import json
from typing import Any, NoReturn

from shared.errors import InvalidInput
from shared.events.event import Json

MAX_DEPTH = 64


def parse(body: bytes, what: str) -> "Json":
    """Refuses what is not UTF-8, names given twice, NaN and infinities, lone surrogates, and nesting without end."""
    try:
        value: Json = json.loads(
            body.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse_constant, parse_float=_finite
        )
        canonical(value)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput(f"{what}_not_json", "the content is not valid JSON in UTF-8", field=what) from exc
    return value


def canonical(value: "Json") -> bytes:
    """The same bytes for the same value, however a hop has written it: sorted names, `1.0` as `1`."""
    plain = _plain(value, MAX_DEPTH)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def _plain(value: "Json", depth: int) -> "Json":
    if depth < 0:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {name: _plain(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth - 1) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError("a number is out of range")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError("not a JSON number")
