"""A request as it goes to a replica, framed anew: what the caller said of length and connection is never passed on."""

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from emulator.asgi import Header

SAFE_TO_REPEAT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))
_WITHOUT_BODY = frozenset((b"GET", b"HEAD", b"OPTIONS", b"DELETE"))
_GAP = re.compile(rb"[\x00-\x20\x7f]")
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` hold nothing of length, transfer or connection. A streamed body has `length` bytes, if known."""

    method: bytes
    target: bytes
    headers: Iterable[Header]
    body: bytes | AsyncIterator[bytes] = b""
    length: int | None = None

    def head(self, host: bytes) -> bytes:
        """Raises `ValueError` for what would read as more than one line."""
        if _GAP.search(self.target):
            raise ValueError("a target holds no spaces")
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target), b"host: " + host]
        lines += [b"%s: %s" % header for header in self.headers]
        if framing := self._framing():
            lines.append(framing)
        head = b"\r\n".join(lines)
        if head.count(b"\n") >= len(lines) or head.count(b"\r") >= len(lines) or b"\0" in head:
            raise ValueError("a header holds the end of a line")
        return head + b"\r\n\r\n"

    @property
    def chunked(self) -> bool:
        return not isinstance(self.body, bytes) and self.length is None

    def _framing(self) -> bytes:
        if self.chunked:
            return b"transfer-encoding: chunked"
        length = len(self.body) if isinstance(self.body, bytes) else self.length
        return b"" if not length and self.method in _WITHOUT_BODY else b"content-length: %d" % (length or 0)


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)
