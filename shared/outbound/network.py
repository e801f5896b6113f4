"""Connections that go to checked addresses only: looked up once, checked, and connected to as checked."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any, TypeAlias

import httpcore
import httpx

from shared.errors import Permanent, Transient
from shared.outbound.addresses import Guard

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]

MAX_ADDRESSES = 4
LOOK_UP_S = 10.0


class Resolver:
    """The platform's own look-ups, in threads of ours: a name that answers slowly keeps no other name waiting."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="look-up")

    async def look_up(self, host: str, port: int) -> list[str]:
        """The platform's answers, in its order. Raises `Permanent` host_not_found, `Transient` dns_failure."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOK_UP_S):
                found = await loop.run_in_executor(self._threads, _addresses, host, port)
        except TimeoutError:
            raise Transient("dns_timeout", "the host's name could not be looked up in time") from None
        except (socket.gaierror, UnicodeError) as exc:
            if isinstance(exc, socket.gaierror) and exc.errno not in (socket.EAI_NONAME, socket.EAI_NODATA):
                raise Transient("dns_failure", "the host's name could not be looked up") from exc
            raise Permanent("host_not_found", "there is no host of this name") from exc
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Waits for nobody: a thread that is still looking up ends when its look-up does."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(host: str, port: int) -> list[str]:
    return [str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Looks up, asks the guard, connects by address, and asks the socket where it arrived.

    TLS and Host still use the name, so certificates are checked.
    """

    def __init__(self, guard: Guard, resolve: Resolve, inner: httpcore.AsyncNetworkBackend) -> None:
        self._guard = guard
        self._resolve = resolve
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        host = host.strip("[]")
        self._guard.check_name(host, port)
        addresses = self._guard.permitted(host, port, await self._resolve(host, port))
        refused: Exception = httpcore.ConnectError("no address to connect to")
        for address in addresses[:MAX_ADDRESSES]:
            try:
                stream = await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                refused = exc
            else:
                return await _arrived(stream, address)
        raise refused

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("unix sockets are not for pages")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _arrived(stream: httpcore.AsyncNetworkStream, address: str) -> httpcore.AsyncNetworkStream:
    """The last word is the socket's own: whatever sits between, the peer must be the address that was checked."""
    peer = stream.get_extra_info("server_addr")
    if peer is None or ip_address(peer[0]) != ip_address(address):
        await stream.aclose()
        raise Permanent("address_refused", "the connection did not arrive at the address that was checked")
    return stream


@asynccontextmanager
async def open_client(
    guard: Guard,
    *,
    tls: SSLContext,
    user_agent: str,
    connections: int = 100,
    resolve: Resolve | None = None,
    network: httpcore.AsyncNetworkBackend | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client without cookies, proxies or redirects: each request stands alone, each hop is checked by its caller.

    What the guard refuses is raised as `Permanent` out of the request, past httpx's own errors.
    """
    resolver = Resolver(connections)
    guarded = GuardedNetwork(guard, resolve or resolver.look_up, network or httpcore.AnyIOBackend())
    pool = httpcore.AsyncConnectionPool(
        ssl_context=tls, max_connections=connections, keepalive_expiry=5.0, network_backend=guarded
    )
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    client = httpx.AsyncClient(
        transport=_PoolTransport(pool),
        headers={"User-Agent": user_agent},
        cookies=no_cookies,
        trust_env=False,
        follow_redirects=False,
    )
    try:
        async with client:
            yield client
    finally:
        resolver.close()


class _PoolTransport(httpx.AsyncHTTPTransport):
    """httpx over a connection pool of our own making, which its constructor does not take."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool
