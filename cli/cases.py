"""Cases from standard input: JSON objects, a line each, or one JSON array of them. Answers go out as they are found."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from cli.failure import CommandFailed


def read_cases() -> Iterator[dict[str, Any]]:
    """What is no JSON object comes as an empty one: it gets its answer, in its place."""
    stream = sys.stdin.buffer
    first = b""
    while not first.strip():
        first = stream.readline()
        if not first:
            return
    if first.lstrip(b"\xef\xbb\xbf \t").startswith(b"["):
        yield from _array(first + stream.read())
        return
    yield _object(first)
    for line in stream:
        if line.strip():
            yield _object(line)


def write_answer(answer: dict[str, Any]) -> None:
    """In ASCII, so that no character of a URL can break the line or speak to a terminal."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _array(text: bytes) -> Iterator[dict[str, Any]]:
    try:
        cases = json.loads(text)
    except (ValueError, RecursionError):
        raise CommandFailed("standard input begins like a JSON array, but is none", exit_code=2) from None
    for case in cases:
        yield case if isinstance(case, dict) else {}


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
