"""A log is read by programs, and shown in terminals."""

import json
import logging
import subprocess
import sys

import pytest

from observe.context import TraceContext, entered
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


def test_every_line_says_in_which_trace_and_for_which_job_it_was_written() -> None:
    record = logging.LogRecord("a", logging.INFO, "", 0, "said", (), None)
    with entered(TraceContext("a" * 32, "b" * 16, sampled=False), {"job.id": "1"}):
        inside = json.loads(JsonFormatter("test").format(record))
        record.__dict__["job_id"] = "2"
        named = json.loads(JsonFormatter("test").format(record))
    assert (inside["trace_id"], inside["job_id"], named["job_id"]) == ("a" * 32, "1", "2")
    del record.__dict__["job_id"]
    assert not {"trace_id", "job_id"} & json.loads(JsonFormatter("test").format(record)).keys()


def test_what_nobody_catches_is_a_line_each() -> None:
    program = """
import threading
from observe.logs import setup

class Odd:
    def __del__(self):
        raise ValueError("in the end")

setup("test")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
Odd()
raise RuntimeError("of no use")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(line["level"], line["action"]) for line in lines] == [
        ("error", "a_thread_ended_by_an_exception"),
        ("error", "an_exception_where_nobody_can_catch_one"),
        ("critical", "ended_by_an_exception_that_nobody_caught"),
    ]
    said = ("ZeroDivisionError", "in the end", "of no use")
    assert [words in line["stack"] for words, line in zip(said, lines, strict=True)] == [True] * 3
    assert ended.returncode == 1
