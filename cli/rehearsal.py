"""A fetch that goes nowhere: the fetcher's own steps, over a network and a DNS that answer by the book."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any

import httpcore

from functions.scrape.core import Move, judge
from functions.scrape.fetch import Fetcher
from functions.scrape.scraping import MAX_REDIRECTS, next_url
from functions.scrape.settings import FetchSettings
from shared.errors import Permanent
from shared.outbound.addresses import Guard
from shared.outbound.network import MAX_ADDRESSES, Resolver, open_client
from shared.urls import host_of

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Hop:
    """A redirect the server answers with, and what its target's name resolves to."""

    status: int
    location: str
    resolves_to: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """`look_ups` are the answers for the URL's host, one a look-up, the last repeats; None asks the real DNS."""

    url: str
    look_ups: tuple[tuple[str, ...], ...] | None = None
    redirects: tuple[Hop, ...] = ()
    unreachable: frozenset[str] = frozenset()


@dataclass
class Rehearsal(httpcore.AsyncNetworkBackend):
    """A network that goes nowhere. It answers by the book, and notes where connections would have gone."""

    guard: Guard
    case: Case
    resolver: Resolver
    names: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    answers: list[bytes] = field(default_factory=list)
    last: tuple[str, int, tuple[str, ...]] = ("", 0, ())
    connects_to: dict[str, None] = field(default_factory=dict)

    async def look_up(self, host: str, port: int) -> list[str]:
        """A literal is its own answer. Raises `Permanent` host_not_found, and what the real DNS does."""
        if _is_literal(host):
            found: Sequence[str] = (host,)
        elif host in self.names:
            lists = self.names[host]
            found = lists.pop(0) if len(lists) > 1 else lists[0]
        elif self.case.look_ups is None:
            found = await self.resolver.look_up(host, port)
        else:
            found = ()
        if not found:
            raise Permanent("host_not_found", "there is no host of this name")
        self.last = host, port, tuple(found)
        return list(found)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if host in self.case.unreachable:
            raise httpcore.ConnectError("refused")
        candidates = self.guard.permitted(*self.last)[:MAX_ADDRESSES]
        self.connects_to |= dict.fromkeys(each for each in candidates if each not in self.case.unreachable)
        return _Stream(host, self.answers.pop(0) if self.answers else OK)


class _Stream(httpcore.AsyncMockStream):
    """One that knows where it arrived, as a socket does."""

    def __init__(self, host: str, text: bytes) -> None:
        super().__init__([text])
        self._host = host

    def get_extra_info(self, info: str) -> object:
        return (self._host, 0) if info == "server_addr" else super().get_extra_info(info)


async def rehearse(case: Case, url: str, rehearsal: Rehearsal, settings: FetchSettings, tls: SSLContext) -> None:
    """As a worker does it: each hop is looked up, checked and judged anew. Raises `SluiceError`."""
    rehearsal.answers = [_redirect(hop) for hop in case.redirects]
    if case.look_ups is not None:
        rehearsal.names[host_of(url)] = list(case.look_ups)
    client = open_client(
        settings.guard, tls=tls, user_agent=settings.user_agent, resolve=rehearsal.look_up, network=rehearsal
    )
    async with client as opened:
        for hop in [*case.redirects, None][: MAX_REDIRECTS + 1]:
            verdict = judge(await Fetcher(opened).get(url), conditional=False, now=datetime.now(UTC))
            if not isinstance(verdict, Move):
                return
            url = next_url(verdict, url)
            if hop is not None and hop.resolves_to is not None:
                rehearsal.names[host_of(url)] = [hop.resolves_to]
    raise Permanent("too_many_redirects", f"the page redirects more than {MAX_REDIRECTS} times")


def _redirect(hop: Hop) -> bytes:
    head = f"HTTP/1.1 {hop.status} X\r\nlocation: {hop.location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    return head.encode("utf-8", "replace")


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
