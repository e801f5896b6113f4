"""An event's attributes from a file: a JSON object of names and values, or the headers of a binary event."""

import json
import sys
from pathlib import Path
from typing import TypeAlias

from cli.failure import CommandFailed

Value: TypeAlias = bool | int | str
DATA = frozenset({"data", "data_base64"})


def read_text(name: str) -> str:
    """Of a file, or of standard input where the name is `-`."""
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode()
    except OSError as error:
        raise CommandFailed(f"cannot read {name}: {error.strerror}", exit_code=2) from error
    except UnicodeDecodeError:
        raise CommandFailed(f"{name} is not a UTF-8 text", exit_code=2) from None


def read_attributes(name: str) -> dict[str, Value]:
    """By lower-case name. Data is left out: neither filters nor CESQL see it."""
    try:
        found = json.loads(read_text(name))
    except (ValueError, RecursionError) as error:
        raise CommandFailed(f"{name} is not JSON: {error}", exit_code=2) from error
    if not isinstance(found, dict):
        raise CommandFailed(f"{name}: the event's attributes are one JSON object", exit_code=2)
    named = {_attribute(key): value for key, value in found.items() if value is not None}
    for key, value in named.items():
        if key not in DATA and not isinstance(value, bool | int | str):
            raise CommandFailed(f"{name}: {key}: an attribute is text, a whole number or a boolean", exit_code=2)
    return {key: value for key, value in named.items() if key not in DATA}


def _attribute(key: str) -> str:
    """No attribute has a hyphen in its name, so headers can be told from attributes."""
    lowered = key.lower()
    return "datacontenttype" if lowered == "content-type" else lowered.removeprefix("ce-")
