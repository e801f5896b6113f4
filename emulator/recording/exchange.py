"""One call or event with its answer, as it lies on disk: a JSON object a line."""

import base64
import gzip
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

MAX_BODY_BYTES = 256 * 1024

Kind = Literal["call", "event"]


@dataclass(frozen=True)
class Kept:
    """A body. `cut`: there was more of it than is kept, or it came in a coding that nobody here reads."""

    content: bytes
    size: int
    cut: bool

    def to_json(self) -> dict[str, Any]:
        try:
            content = {"text": self.content.decode()}
        except UnicodeDecodeError:
            content = {"base64": base64.b64encode(self.content).decode()}
        return {**content, "bytes": self.size, **({"cut": True} if self.cut else {})}


class Tap:
    """Collects a body while it passes."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if len(self._content) < MAX_BODY_BYTES:
            self._content += piece[: MAX_BODY_BYTES - len(self._content)]

    def kept(self, coding: str) -> Kept:
        """Read: what is secret in it must be found."""
        if self._size > len(self._content):
            return Kept(b"", self._size, cut=True)
        content = decoded(bytes(self._content), coding)
        return Kept(content or b"", self._size, cut=content is None)


def decoded(content: bytes, coding: str) -> bytes | None:
    """None for what is too long or in an unknown coding."""
    if coding in ("", "identity") or not content:
        return content
    try:
        if coding not in ("gzip", "deflate"):
            return None
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        text = inflate.decompress(content, MAX_BODY_BYTES)
    except (zlib.error, gzip.BadGzipFile):
        return None
    return None if inflate.unconsumed_tail else text


def value_of(headers: Iterable[tuple[str, str]], name: str) -> str:
    return next((value.strip().lower() for key, value in headers if key == name), "")


def content_of(body: Mapping[str, Any]) -> bytes:
    """Of a `Kept` as it was written."""
    return base64.b64decode(body["base64"]) if "base64" in body else str(body["text"]).encode()
