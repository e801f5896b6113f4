"""What may not be written down: values under names that say so, and values that are known to be secret.

Pure. Every removed value is replaced by `[redacted]` and named by where it was.
"""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

REDACTED = "[redacted]"
SHORTEST_SECRET = 6
_WORDS = (
    r"api_?key|access_?key|secret_?key|private_?key|signing_?key|auth_?key|password|passwd|passphrase|secret|token"
    r"|authorization|authentication|credentials?|cookie|session_?id|signature"
)
_SECRET_NAME = re.compile(rf"(?:^|_)(?:{_WORDS})$")
# `name: value`, `"name": "value"`, `name=value`; and a part of a form of several.
_PAIR = re.compile(
    r"""(?<![\w.-])(?P<name>[A-Za-z][\w.-]{0,60})["']?[ \t]{0,8}[:=][ \t]{0,8}"""
    r"""(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s"',;&}]+)"""
)
_PART = re.compile(r"""name="(?P<name>[^"\n]{1,60})"(?:;[^\n]*)?\r?\n(?:[^\r\n]+\r?\n)*\r?\n(?P<value>[^\r\n]*)""")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# A CloudEvent's: one proves where it is from, the other says who may write; without them it cannot be played again.
_OF_EVENTS = frozenset(("signature", "token"))

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Cleaned:
    """`removed` says where something was: `header x-api-key`, `query token`, `body $.password`.

    `values` are what was removed for its name: wherever they turn up in what follows, they are as secret.
    """

    target: str
    headers: Headers
    body: bytes
    removed: tuple[str, ...]
    values: frozenset[bytes]


class _Removed(dict[str, None]):
    """Places in their order, and the values that were there."""

    def __init__(self) -> None:
        super().__init__()
        self.values_seen: set[bytes] = set()

    def take(self, place: str, value: str = "") -> str:
        self[place] = None
        if len(value) >= SHORTEST_SECRET:
            self.values_seen.add(value.encode())
        return REDACTED


def is_secret(name: str) -> bool:
    """`X-API-Key`, `accessToken`, `db.password`; not `max_tokens`."""
    return _SECRET_NAME.search(re.sub(r"[^a-z0-9]+", "_", _CAMEL.sub("_", name).lower())) is not None


def secrets_of(headers: Iterable[tuple[str, str]]) -> frozenset[bytes]:
    """Values of secret headers, with and without their scheme: wherever else they turn up, they are as secret."""
    found: set[bytes] = set()
    for name, value in headers:
        if _is_secret_header(name):
            _, _, token = value.partition(" ")
            parts = (part.partition("=")[2].strip() for part in value.split(";")) if "cookie" in name else ()
            found |= {value.encode("latin-1"), token.encode("latin-1"), *_basic(token)}
            found |= {part.encode("latin-1") for part in parts}
    return frozenset(value for value in found if len(value) >= SHORTEST_SECRET)


def clean(target: str, headers: Iterable[tuple[str, str]], body: bytes, known: Iterable[bytes]) -> Cleaned:
    """One message. `known` are values that go wherever they are."""
    removed = _Removed()
    secrets = sorted(known, key=len, reverse=True)
    kept = tuple((name, _header(name, value, secrets, removed)) for name, value in headers)
    kind = next((value.partition(";")[0].strip().lower() for name, value in kept if name == "content-type"), "")
    content = _without(_body(body, kind, removed), secrets, "body", removed)
    return Cleaned(_target(target, secrets, removed), kept, content, tuple(removed), frozenset(removed.values_seen))


def _header(name: str, value: str, secrets: list[bytes], removed: _Removed) -> str:
    if _is_secret_header(name):
        return removed.take(f"header {name}")
    return _without(value.encode("latin-1"), secrets, f"header {name}", removed).decode("latin-1")


def _is_secret_header(name: str) -> bool:
    return is_secret(name) and not (name.startswith("ce-") and name.removeprefix("ce-") in _OF_EVENTS)


def _target(target: str, secrets: list[bytes], removed: _Removed) -> str:
    path, mark, query = target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    if cleaned := _pairs(pairs, "query", removed):
        query = urlencode(cleaned, encoding="latin-1", safe="[]")
    text = f"{path}{mark}{query}".encode("latin-1")
    return _without(text, secrets, "path", removed).decode("latin-1")


def _body(body: bytes, kind: str, removed: _Removed) -> bytes:
    """By what it is, whatever it says it is: `curl -d` calls everything a form."""
    try:
        value = json.loads(body) if body.lstrip()[:1] in (b"{", b"[") else None
    except (ValueError, RecursionError):
        value = None
    if value is not None:
        return _json(body, value, "cloudevents" in kind, removed)
    if kind == "application/x-www-form-urlencoded":
        pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
        if cleaned := _pairs(pairs, "body", removed):
            return urlencode(cleaned, encoding="latin-1", safe="[]").encode()
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    return _text(text, removed).encode()


def _json(body: bytes, value: object, is_event: bool, removed: _Removed) -> bytes:
    before = len(removed)
    try:
        cleaned = _value(value, "$", removed, frozenset(("$",)) if is_event else frozenset())
    except RecursionError:
        removed.take("body")
        return REDACTED.encode()
    return json.dumps(cleaned, ensure_ascii=False).encode("utf-8", "replace") if len(removed) > before else body


def _text(text: str, removed: _Removed) -> str:
    """Lines of JSON, settings, forms of several parts: a name that says so, and what follows it."""

    def without(found: re.Match[str]) -> str:
        if not is_secret(found["name"]) or not found["value"]:
            return found[0]
        return found[0].removesuffix(found["value"]) + removed.take(
            f"body {found['name']}", found["value"].strip("\"'")
        )

    return _PART.sub(without, _PAIR.sub(without, text))


def _value(value: Any, at: str, removed: _Removed, events: frozenset[str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_value(each, f"{at}[{index}]", removed, events) for index, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    cleaned = {}
    for name, each in value.items():
        place = f"{at}.{name}"
        if isinstance(each, str) and each and is_secret(name) and not (at in events and name in _OF_EVENTS):
            cleaned[name] = removed.take(f"body {place}", each)
        else:
            cleaned[name] = _value(each, place, removed, events)
    return cleaned


def _pairs(pairs: list[tuple[str, str]], where: str, removed: _Removed) -> list[tuple[str, str]]:
    """Empty where nothing had to go."""
    if not any(value and is_secret(name) for name, value in pairs):
        return []
    return [
        (name, removed.take(f"{where} {name}", value) if value and is_secret(name) else value) for name, value in pairs
    ]


def _without(text: bytes, secrets: list[bytes], where: str, removed: _Removed) -> bytes:
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, REDACTED.encode())
            removed.take(where)
    return text


def _basic(token: str) -> Iterable[bytes]:
    try:
        return (base64.b64decode(token, validate=True).partition(b":")[2],)
    except ValueError:
        return ()
