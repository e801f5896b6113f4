"""A log is read by programs, and shown in terminals."""

import json
import logging
import sys

import pytest

from observe.logs import JsonFormatter


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\0", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u202e", "\ufeff", "\ud800"]
)
def test_a_line_stays_a_line_and_says_nothing_to_a_terminal(character: str) -> None:
    said = f'Grüße"{character}{{}}'
    try:
        raise ValueError(said)
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "", 0, "heard %s", (said,), sys.exc_info())
    record.subject = said
    line = JsonFormatter("test").format(record)
    assert "Grüße" in line
    assert character not in line
    assert line.encode()
    read = json.loads(line)
    assert (read["message"], read["subject"]) == (f"heard {said}", said)
    assert said in read["stack"]
