"""Keeps secrets out of what is written down: those this process has read, and whatever looks like one."""

import re
from typing import Final

REDACTED: Final = "REDACTED"
_SHORTEST: Final = 6
_KNOWN: Final[set[str]] = set()

_LOOKS = (
    # The user and password of an address.
    re.compile(r"(?<=://)[^\s\"'<>@]*:[^\s\"'<>@]*(?=@)"),
    # Our own API keys, and the keys of webhooks and of OpenAI's clients.
    re.compile(r"\b(?:slk_|whsec_|sk-)[A-Za-z0-9+/=_-]{6,}"),
    # Headers and settings, however they are written.
    re.compile(
        r"(?i)(?<![a-z0-9])(?:(?:proxy-)?authorization|(?:x-)?api[-_]?key|access[-_]?token|client[-_]?secret|secret|"
        r"password|passwd|pwd|cookie)s?[\"']?(?:\s*[:=]\s*|\"?,\s*b?\"?)[\"']?(?:bearer\s+|basic\s+)?([^\s\"',;&}\]]+)"
    ),
    # Parameters of a URL.
    re.compile(
        r"(?i)[?&;](?:[^=&#;\s]*[_.-])?(?:api[_-]?key|key|token|secret|password|passwd|pwd|signature|sig|auth|credential)s?="
        r"([^&#;\s\"']+)"
    ),
)


def conceal(secret: str | bytes) -> None:
    """From now on no line of this process says it. What is too short to be a secret would hide words."""
    text = secret.decode(errors="replace") if isinstance(secret, bytes) else secret
    _KNOWN.update(line for line in (line.strip() for line in text.splitlines()) if len(line) >= _SHORTEST)


def redacted(text: str) -> str:
    for secret in _KNOWN:
        if secret in text:
            text = text.replace(secret, REDACTED)
    for looks in _LOOKS:
        text = looks.sub(_hidden, text)
    return text


def _hidden(found: "re.Match[str]") -> str:
    if not found.re.groups:
        return REDACTED
    start, end = found.span(1)
    whole = found[0]
    offset = found.start()
    return whole[: start - offset] + REDACTED + whole[end - offset :]
