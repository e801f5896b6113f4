"""What the platform adds to and takes from a request and its answer on the way to a function and back."""

import time
import uuid
from collections.abc import Iterable

from multidict import CIMultiDict

from emulator.asgi import Header, Scope

HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
     b"trailer", b"transfer-encoding", b"upgrade")
)  # fmt: skip
BODYLESS = (204, 304)
NOT_FORWARDED = HOP_BY_HOP | {b"host", b"expect"}


class CallHeaders:
    """`forwarded` goes to the function; `added` back to the caller, the call id only when we made it."""

    def __init__(self, scope: Scope) -> None:
        self.began_ns = time.time_ns()
        start = str(self.began_ns)
        headers: list[Header] = scope["headers"]
        named = _named_by_connection(headers)
        self.forwarded: CIMultiDict[str] = CIMultiDict()
        host = ""
        for name, value in headers:
            if name == b"host":
                host = value.decode("latin-1")
            if name not in NOT_FORWARDED and name not in named:
                self.forwarded.add(name.decode("latin-1"), value.decode("latin-1"))
        self.forwarded.add("X-Start-Time", start)
        self.added: list[Header] = [(b"x-start-time", start.encode())]
        if "x-call-id" not in self.forwarded:
            call_id = str(uuid.uuid4())
            self.forwarded["X-Call-Id"] = call_id
            self.added.append((b"x-call-id", call_id.encode()))
        if "x-forwarded-for" not in self.forwarded and scope.get("client"):
            self.forwarded["X-Forwarded-For"] = "{}:{}".format(*scope["client"])
        if "x-forwarded-host" not in self.forwarded:
            self.forwarded["X-Forwarded-Host"] = host

    def seconds(self) -> float:
        return (time.time_ns() - self.began_ns) / 1e9

    def ours(self) -> list[Header]:
        return [*self.added, (b"x-duration-seconds", b"%f" % self.seconds())]

    def answered(self, status: int, upstream: Iterable[Header]) -> list[Header]:
        """The function's headers with ours. Whoever says no content type is taken to answer in that of the request."""
        kept = end_to_end(upstream)
        names = {name for name, _ in kept}
        if b"content-type" not in names and status not in BODYLESS:
            kept.append((b"content-type", self.forwarded.get("content-type", "text/plain").encode("latin-1")))
        return [*kept, *(self.added if b"x-duration-seconds" in names else self.ours())]


def end_to_end(headers: Iterable[Header]) -> list[Header]:
    """Without those that concern one connection only."""
    lowered = [(name.lower(), value) for name, value in headers]
    named = _named_by_connection(lowered)
    return [(name, value) for name, value in lowered if name not in HOP_BY_HOP and name not in named]


def _named_by_connection(headers: Iterable[Header]) -> frozenset[bytes]:
    values = [value for name, value in headers if name == b"connection"]
    return frozenset(part.strip().lower() for value in values for part in value.split(b",")) if values else frozenset()
