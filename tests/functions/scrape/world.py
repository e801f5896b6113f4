"""A small internet for tests: names and addresses as told, servers that answer from a script, nothing outside."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import httpcore

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PAGE = b"<html><head><title>A page</title></head><body><main><p>Some words to read.</p></main></body></html>"


def answer(status: int = 200, body: bytes = PAGE, **headers: str) -> bytes:
    fields = {"content-type": "text/html", "content-length": str(len(body)), "connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


class Wire(httpcore.AsyncNetworkBackend):
    """Answers every connection with the next of `answers` (the last repeats), and notes where it went."""

    def __init__(self, answers: Iterable[bytes] = (), unreachable: Iterable[str] = ()) -> None:
        self._answers = list(answers) or [answer()]
        self._unreachable = set(unreachable)
        self.connected: list[str] = []

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append(host)
        if host in self._unreachable:
            raise httpcore.ConnectError("refused")
        text = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return _Stream(host, text)


class _Stream(httpcore.AsyncMockStream):
    """One that knows where it arrived, as a socket does."""

    def __init__(self, host: str, text: bytes) -> None:
        super().__init__([text])
        self._host = host

    def get_extra_info(self, info: str) -> Any:
        return (self._host, 0) if info == "server_addr" else super().get_extra_info(info)


def names(book: dict[str, list[list[str]]]) -> Callable[[str, int], Awaitable[list[str]]]:
    """The n-th look-up of a name gets its n-th list of addresses; the last one repeats."""

    async def resolve(host: str, port: int) -> list[str]:
        lists = book.get(host.rstrip("."), [[]])
        return lists.pop(0) if len(lists) > 1 else lists[0]

    return resolve
