"""What the platform adds to and takes from a request and its answer on the way to a function and back."""

import random
import time
import uuid
from collections.abc import Iterable

from emulator.asgi import Header, Scope

HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
     b"trailer", b"transfer-encoding", b"upgrade")
)  # fmt: skip
BODYLESS = (204, 304)
NOT_FORWARDED = HOP_BY_HOP | {b"host", b"expect", b"content-length"}


class CallHeaders:
    """`forwarded` goes to the function; `added` back to the caller, the call id only when we made it."""

    def __init__(self, scope: Scope) -> None:
        self.began_ns = time.time_ns()
        start = b"%d" % self.began_ns
        headers: list[Header] = scope["headers"]
        self._given = dict(headers)
        kept_back = NOT_FORWARDED
        if b"connection" in self._given:
            kept_back = NOT_FORWARDED | _named_by_connection(headers)
        self.forwarded = [each for each in headers if each[0] not in kept_back]
        passed = self._given.keys() - kept_back
        self.forwarded.append((b"x-start-time", start))
        self.added: list[Header] = [(b"x-start-time", start)]
        if b"x-call-id" not in passed:
            call_id = (b"x-call-id", _call_id())
            self.forwarded.append(call_id)
            self.added.append(call_id)
        if b"x-forwarded-for" not in passed and scope.get("client"):
            self.forwarded.append((b"x-forwarded-for", "{}:{}".format(*scope["client"]).encode()))
        if b"x-forwarded-host" not in passed:
            self.forwarded.append((b"x-forwarded-host", self._given.get(b"host", b"")))

    def given(self, name: bytes) -> str | None:
        """As the caller sent it; the name in lower case."""
        value = self._given.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def length(self) -> int | None:
        """Of the body, where the caller declared it."""
        declared = self._given.get(b"content-length")
        return None if declared is None else int(declared)

    def seconds(self) -> float:
        return (time.time_ns() - self.began_ns) / 1e9

    def ours(self) -> list[Header]:
        return [*self.added, (b"x-duration-seconds", b"%f" % self.seconds())]

    def answered(self, status: int, upstream: Iterable[Header]) -> list[Header]:
        """The function's headers with ours. Whoever says no content type is taken to answer in that of the request."""
        kept = end_to_end(upstream)
        names = {name for name, _ in kept}
        if b"content-type" not in names and status not in BODYLESS:
            kept.append((b"content-type", self._given.get(b"content-type", b"text/plain")))
        return [*kept, *(self.added if b"x-duration-seconds" in names else self.ours())]


def end_to_end(headers: Iterable[Header]) -> list[Header]:
    """Without those that concern one connection only. Names must be in lower case."""
    headers = list(headers)
    kept_back = HOP_BY_HOP
    if any(name == b"connection" for name, _ in headers):
        kept_back = HOP_BY_HOP | _named_by_connection(headers)
    return [each for each in headers if each[0] not in kept_back]


def _call_id() -> bytes:
    """Nobody has to guess it in vain, so it need not cost a trip to the kernel."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4)).encode()


def _named_by_connection(headers: Iterable[Header]) -> frozenset[bytes]:
    values = (value for name, value in headers if name == b"connection")
    return frozenset(part.strip().lower() for value in values for part in value.split(b","))
