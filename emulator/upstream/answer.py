"""Takes the bytes of one answer apart, as they come."""

from collections import deque

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from emulator.asgi import Header

_INTERIM = range(100, 200)


class Broken(ConnectionError):
    """The other end gave no answer, not all of it, or something that is none."""


class Answer:
    """`head_came` once status and headers are there; `pieces` holds what of the body came and was not taken yet."""

    def __init__(self, *, to_head: bool = False) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self.pieces: deque[bytes] = deque()
        self.held_bytes = 0
        self.head_came = False
        self.complete = False
        self.keeps_alive = False
        self._to_head = to_head
        self._parser = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Raises `Broken` for what is no answer, and for more than one."""
        if self.complete:
            self.keeps_alive = False
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as exc:
            if not self.complete:
                raise Broken("not an HTTP answer") from exc
            self.keeps_alive = False

    def end(self) -> None:
        """The connection was closed, which is how some answers end. Raises `Broken` where it is not."""
        self.keeps_alive = False
        if not self.complete:
            framed = any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
            if framed or not self.head_came:
                raise Broken("closed before the end of the answer")
            self.complete = True

    def take(self) -> bytes:
        """All of the body that is there."""
        piece = self.pieces.popleft() if len(self.pieces) == 1 else b"".join(self.pieces)
        self.pieces.clear()
        self.held_bytes = 0
        return piece

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self.complete:
            raise Broken("more than was asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_came:  # else a trailer
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status in _INTERIM:
            self.headers.clear()
            return
        self.status = status
        self.head_came = True
        self.complete = self._to_head
        self.keeps_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        if self._to_head:
            raise Broken("a body to HEAD")
        self.pieces.append(body)
        self.held_bytes += len(body)

    def on_message_complete(self) -> None:
        self.complete = self.head_came
