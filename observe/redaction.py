"""Keeps secrets out of what is written down: those this process has read, and whatever looks like one."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

REDACTED: Final = "REDACTED"
_SHORTEST: Final = 6
_KNOWN: Final[set[str]] = set()
# Those that are spelt the same everywhere, and a pattern for each of the others. The longest first: a secret may be a
# part of another.
_PLAIN: Final[list[str]] = []
_ODD: Final[list["re.Pattern[str]"]] = []
_SAME_EVERYWHERE: Final = re.compile("[A-Za-z0-9_-]+")
# Parameters of Postgres's addresses that are none of anybody's business.
_PASSWORDS: Final = frozenset({"password", "sslpassword"})
_CREDENTIALS: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_ADDRESSES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "PYROSCOPE_SERVER_ADDRESS")
_HEADERS: Final = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")

# The name of a URL's parameter that holds a secret, and the sign before it: `accessToken` is one, `monkey` is none.
TELLING_PARAMETER: Final = (
    r"(?i:[?&;#](?:[^=&#;?\s]*(?:[_.-]|(?-i:[a-z0-9](?=[A-Z]))))?(?:api[_-]?key|access[_-]?token|key|token|secret|"
    r"password|passwd|pwd|pass|signature|sig|auth|credential|jwt)s?=)"
)
# None looks twice at the same text: whatever a stranger made up is searched in a time that grows as its length does.
_LOOKS = (
    # The user and password of an address, which may hold an @; or what has none, as a whole.
    re.compile(r"://(?:([^\s\"'<>@:]*:[^\s\"'<>@]*(?:@[^\s\"'<>@/?#]*)*)(?=@)|[^\s\"'<>@]*)"),
    # Our own API keys, and the keys of webhooks and of OpenAI's clients.
    re.compile(r"\b(?:slk_|whsec_|sk-)[A-Za-z0-9+/=_-]{6,}"),
    # Headers and settings, however they are written.
    re.compile(
        r"(?i)(?<![a-z0-9])(?:(?:proxy-)?authorization|(?:x-)?api[-_]?key|access[-_]?token|client[-_]?secret|secret|"
        r"password|passwd|pwd|cookie)s?[\"']?(?:\s*[:=]\s*|\"?,\s*b?\"?)[\"']?(?:bearer\s+|basic\s+)?([^\s\"',;&}\]]+)"
    ),
    # Parameters of a URL.
    re.compile(TELLING_PARAMETER + r"([^&#;\s\"']+)"),
)


def conceal(secret: str | bytes) -> None:
    """From now on no line of this process says it. What is too short to be a secret would hide words."""
    text = secret.decode(errors="replace") if isinstance(secret, bytes) else secret
    lines = {line for line in map(str.strip, text.splitlines()) if len(line) >= _SHORTEST}
    if not lines <= _KNOWN:
        _KNOWN.update(lines)
        longest_first = sorted(_KNOWN, key=len, reverse=True)
        _PLAIN[:] = [line for line in longest_first if _SAME_EVERYWHERE.fullmatch(line)]
        odd = [line for line in longest_first if not _SAME_EVERYWHERE.fullmatch(line)]
        _ODD[:] = [re.compile("".join(map(_spellings, line))) for line in odd]


def conceal_password(address: str) -> None:
    """That of an address, as it stands in there and as its server is told. One that is the user's name is no secret."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    told = [parts.password or "", *(value for name, value in parse_qsl(parts.query) if name in _PASSWORDS)]
    for password in told:
        if password != parts.username:
            conceal(password)
            conceal(unquote(password))


def conceal_credentials(variables: Mapping[str, str]) -> None:
    """Of those variables that libraries read by themselves: where telemetry goes to, and object stores."""
    for name in _CREDENTIALS:
        conceal(variables.get(name, ""))
    for name in _ADDRESSES:
        conceal_password(variables.get(name, ""))
    for name in _HEADERS:
        for pair in variables.get(name, "").split(","):
            conceal(unquote(pair.partition("=")[2].strip()))
            conceal(pair.partition("=")[2].strip())


def _spellings(character: str) -> str:
    """Those of addresses, JSON and Python, also where one is quoted within another: as a pattern."""
    if _SAME_EVERYWHERE.fullmatch(character):
        return character
    as_bytes = character.encode(errors="replace")
    in_address = "%(?:25)*".join(["", *(f"{byte:02x}" for byte in as_bytes)])
    in_python = r"\\+x".join(["", *(f"{byte:02x}" for byte in as_bytes)])
    escaped = rf"\\+(?:u|x){ord(character):04x}|\\+x{ord(character):02x}"
    plus = r"|\+" if character == " " else ""
    return rf"(?:\\*{re.escape(character)}|(?i:{in_address}|{in_python}|{escaped}){plus})"


def redacted(text: str) -> str:
    for odd in _ODD:
        text = odd.sub(REDACTED, text)
    for plain in _PLAIN:
        if plain in text:
            text = text.replace(plain, REDACTED)
    for looks in _LOOKS:
        text = looks.sub(_hidden, text)
    return text


def _hidden(found: "re.Match[str]") -> str:
    if not found.re.groups:
        return REDACTED
    start, end = found.span(1)
    whole = found[0]
    if found[1] is None:
        return whole
    offset = found.start()
    return whole[: start - offset] + REDACTED + whole[end - offset :]
