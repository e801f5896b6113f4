"""Text from elsewhere, made fit for a terminal."""

import json
import unicodedata

from observe.unseen import escaped


def clean(text: str) -> str:
    """One line, without control characters: a page's title must not drive the terminal."""
    return " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in text).split())


def json_line(value: object) -> str:
    """On one line; what a reader of JSON gets back whole says nothing to a terminal."""
    return escaped(json.dumps(value, ensure_ascii=False))


def shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)].rstrip() + "…"


def seconds(value: float) -> str:
    """12.3 s, or 2:05 min."""
    return f"{value:.1f} s" if value < 60 else f"{int(value // 60)}:{int(value % 60):02d} min"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
