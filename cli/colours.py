"""Colours where somebody sees them, and none in a pipe, on a plain terminal, or where NO_COLOR asks for that."""

import os
from typing import IO, Final

_CODES: Final = {"failed": "31", "faint": "2", "strong": "1", "waiting": "33"}


def painted(text: str, mood: str, stream: IO[str]) -> str:
    wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{_CODES[mood]}m{text}\x1b[0m" if wanted and mood in _CODES else text
