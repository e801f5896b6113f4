"""What the conformance cases leave open: precedence, lexing, limits."""

import pytest

from emulator.cesql import evaluate, is_boolean, parse
from emulator.cesql.syntax import Value

EVENT: dict[str, Value] = {"id": "1", "source": "/s", "type": "t", "specversion": "1.0", "size": "12", "flag": "true"}


def value(expression: str) -> Value:
    parsed = parse(expression)
    assert parsed.expression is not None, parsed.error
    outcome = evaluate(parsed.expression, EVENT)
    assert outcome.error is None, outcome
    return outcome.value


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("FALSE AND TRUE OR TRUE", False),  # right-associative, one level
        ("NOT FALSE AND FALSE", False),
        ("NOT TRUE = 'x'", False),  # NOT binds tightest
        ("1 + 2 * 3 = 7", True),
        ("2 * size LIKE '12'", 2),  # LIKE binds tighter than arithmetic
        ("10 - 3 - 2", 5),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("2147483647 + 1", -2147483648),
        ("Size > 9 AND TYPE = 't'", True),
        ("size NOT IN (1, 2)", True),
        ("NOT EXISTS tenant AND EXISTS SIZE", True),
        ("'it\\'s' = \"it's\"", True),
        ("concat_ws('-', 'a', 1, TRUE) = 'a-1-true'", True),
        ("'a\nb' LIKE 'a%b'", True),
        ("'a.c' LIKE 'abc'", False),
        ("  TRUE  ", True),
        ("LENGTH('é')", 1),
    ],
)
def test_is_worth(expression: str, expected: Value) -> None:
    assert value(expression) == expected
    assert type(value(expression)) is type(expected)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "(",
        "TRUE TRUE",
        "a = = b",
        "5-3",
        "'open",
        "a LIKE b",
        "a IN ()",
        "a NOT = b",
        "EXISTS 'a'",
        "EXISTS",
        "f(,)",
        "f(a",
        "a_b",
        "f1(a)",
        "3000000000",
        "é",
        "a; b",
        "NOT",
        "(" * 100_000,
        "NOT " * 2_000 + "TRUE",
        " AND ".join(["TRUE"] * 1_000),
        "x" * 100_000,
    ],
)
def test_is_refused(expression: str) -> None:
    assert parse(expression).error


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("size", None),
        ("1 + 1", False),
        ("CONCAT(type, 'x')", False),
        ("size = 1", True),
        ("NOPE()", True),
        ("'x'", False),
    ],
)
def test_what_cannot_filter_is_known_before(expression: str, expected: bool | None) -> None:
    parsed = parse(expression).expression
    assert parsed is not None
    assert is_boolean(parsed) is expected
