"""A Pratt parser for CESQL 1.0, with the precedence of its reference grammar."""

import re
from dataclasses import dataclass

from emulator.cesql.syntax import Attribute, Binary, Call, Exists, Expression, In, Like, Literal, Negate, Not
from emulator.cesql.tokens import ParseError, Token, tokens

MAX_LENGTH = 8192
MAX_DEPTH = 100
_NOT, _NEGATE, _LIKE, _IN = 8, 7, 6, 5
_LEFT = dict.fromkeys("*/%", 4) | dict.fromkeys("+-", 3)
_LEFT |= dict.fromkeys(("=", "!=", "<>", "<", "<=", ">", ">="), 2)
# One level for all three, right-associative: `a AND b OR c` is `a AND (b OR c)`.
_LOGIC = dict.fromkeys(("AND", "OR", "XOR"), 1)
_INT32 = range(-(2**31), 2**31)
_FUNCTION = re.compile(r"[a-zA-Z][a-zA-Z_]*")


@dataclass(frozen=True, slots=True)
class Parsed:
    """One of the two is None."""

    expression: Expression | None
    error: str | None


def parse(text: str) -> Parsed:
    try:
        return Parsed(_Parser(text).whole(), None)
    except ParseError as error:
        return Parsed(None, str(error))


class _Parser:
    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise ParseError(f"an expression has at most {MAX_LENGTH} characters")
        self._tokens = tokens(text)
        self._at = 0
        self._depth = 0

    def whole(self) -> Expression:
        found = self._expression(0)
        self._expect("end")
        return found

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _expect(self, *wanted: str) -> Token:
        """The next token, if its kind or its text is wanted."""
        token = self._next
        if token.kind not in wanted and (token.text not in wanted or token.kind == "text"):
            raise ParseError(f"unexpected {token.text[:20]!r} at {token.at}")
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _accept(self, text: str) -> bool:
        if self._next.kind in ("symbol", "keyword") and self._next.text == text:
            self._at += 1
            return True
        return False

    def _expression(self, level: int) -> Expression:
        """An expression whose operators all bind tighter than `level`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ParseError(f"nested more than {MAX_DEPTH} deep")
        found = self._primary()
        while (longer := self._suffix(found, level)) is not None:
            found = longer
        self._depth -= 1
        return found

    def _primary(self) -> Expression:
        if self._accept("NOT"):
            return Not(self._expression(_NOT))
        if self._accept("-"):
            return Negate(self._expression(_NEGATE))
        if self._accept("EXISTS"):
            return Exists(self._expect("name").text.lower())
        if self._accept("("):
            found = self._expression(0)
            self._expect(")")
            return found
        token = self._expect("text", "number", "name", "TRUE", "FALSE")
        return self._call(token) if token.kind == "name" else _literal(token)

    def _call(self, name: Token) -> Expression:
        if not self._accept("("):
            if "_" in name.text:
                raise ParseError(f"{name.text[:20]!r} at {name.at} is no attribute's name")
            return Attribute(name.text.lower())
        if not _FUNCTION.fullmatch(name.text):
            raise ParseError(f"{name.text[:20]!r} at {name.at} is no function's name")
        arguments = () if self._accept(")") else self._list()
        return Call(name.text.upper(), arguments)

    def _list(self) -> tuple[Expression, ...]:
        found = [self._expression(0)]
        while self._expect(",", ")").text == ",":
            found.append(self._expression(0))
        return tuple(found)

    def _suffix(self, left: Expression, level: int) -> Expression | None:
        """`left` with the operator that follows it, if that binds tighter than `level`."""
        symbol = self._next.text if self._next.kind in ("symbol", "keyword") else ""
        if symbol in ("NOT", "LIKE", "IN"):
            return self._membership(left, level)
        if _LEFT.get(symbol, 0) > level:
            self._take()
            return Binary(symbol, left, self._expression(_LEFT[symbol]))
        if _LOGIC.get(symbol, 0) > level:
            self._take()
            return Binary(symbol, left, self._expression(_LOGIC[symbol] - 1))
        return None

    def _membership(self, left: Expression, level: int) -> Expression | None:
        start = self._at
        negated = self._accept("NOT")
        if level < _LIKE and self._accept("LIKE"):
            return Like(left, _string(self._expect("text").text), negated)
        if level < _IN and self._accept("IN"):
            self._expect("(")
            return In(left, self._list(), negated)
        self._at = start
        return None


def _literal(token: Token) -> Literal:
    if token.kind == "text":
        return Literal(_string(token.text))
    if token.kind == "keyword":
        return Literal(token.text == "TRUE")
    value = int(token.text[:20])
    if value not in _INT32:
        raise ParseError(f"{token.text[:20]} at {token.at} does not fit into 32 bits")
    return Literal(value)


def _string(written: str) -> str:
    """Only the quote that encloses the text is unescaped; other backslashes stay for LIKE."""
    return written[1:-1].replace("\\" + written[0], written[0])
