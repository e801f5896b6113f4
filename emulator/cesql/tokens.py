"""Splits a CESQL expression into tokens; keywords are recognised in any case."""

import re
from dataclasses import dataclass

KEYWORDS = frozenset({"AND", "OR", "XOR", "NOT", "LIKE", "EXISTS", "IN", "TRUE", "FALSE"})
# The longest match wins, so a sign directly before digits belongs to the number: `5-3` is two numbers and no operator.
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>'(?:\\.|''|[^'\\])*'|"(?:\\.|""|[^"\\])*")
    |(?P<number>[+-]?[0-9]+(?![a-zA-Z0-9_]))
    |(?P<name>[a-zA-Z0-9]+(?![a-zA-Z0-9_])|[a-zA-Z][a-zA-Z_]*(?![a-zA-Z0-9_]))
    |(?P<symbol>!=|<>|<=|>=|[-+*/%=<>(),])
    )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)


class ParseError(Exception):
    """Its text says what is wrong, and where."""


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is the keyword or symbol itself in upper case, else what was written."""

    kind: str
    text: str
    at: int


def tokens(expression: str) -> list[Token]:
    """Ends with a token of kind `end`. Raises `ParseError`."""
    found = []
    at = 0
    end = len(expression.rstrip())
    while at < end:
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ParseError(f"unexpected {expression[at:].strip()[:10]!r} at {at}")
        kind = match.lastgroup or ""
        found.append(_token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*found, Token("end", "end of the expression", at)]


def _token(kind: str, text: str, at: int) -> Token:
    if kind == "name" and text.upper() in KEYWORDS:
        return Token("keyword", text.upper(), at)
    return Token(kind, text, at)
