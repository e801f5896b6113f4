"""Sends the broker's and the ticks' requests: to functions without a detour through our own port, else by HTTP."""

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from emulator.activator import Closed, QueueFull
from emulator.broker.ports import Answer, Errand, Unreachable, UriDestination
from emulator.fleet import Fleet
from emulator.replica import Replica
from emulator.revision import AtZero, Revision
from emulator.upstream.exchange import Exchange
from emulator.upstream.request import Request

MAX_ANSWER_BYTES = 16 * 1024 * 1024


class FunctionSender:
    """Answers what a function's proxy would: 404 for a name nobody knows, 503 when too many wait, 504 in the end."""

    def __init__(self, fleet: Fleet, session: aiohttp.ClientSession) -> None:
        self._fleet = fleet
        self._session = session

    async def send(self, errand: Errand) -> Answer:
        try:
            if isinstance(errand.destination, UriDestination):
                return await self._request(errand)
            revision = self._fleet.receiver(errand.destination)
            return Answer(404) if revision is None else await self._to_function(revision, errand)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise Unreachable(f"{errand.destination.url}: {type(exc).__name__}") from exc

    async def _to_function(self, revision: Revision, errand: Errand) -> Answer:
        revision.invocations += 1
        try:
            async with asyncio.timeout(revision.spec.resources.timeout_s):
                activator, replica = await revision.admit()
                try:
                    return await _ask(replica, errand)
                finally:
                    activator.release(replica)
        except Closed:
            return Answer(404)
        except (QueueFull, AtZero):
            return Answer(503)
        except TimeoutError:
            return Answer(504)

    async def _request(self, errand: Errand) -> Answer:
        async with self._session.request(
            errand.method,
            URL(errand.destination.url, encoded=True),
            headers=CIMultiDict(errand.headers),
            data=io.BytesIO(errand.body) if errand.body else None,
            allow_redirects=False,
        ) as response:
            content = await _bounded(response.content.iter_any())
            lowered = [
                (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.raw_headers
            ]
            return Answer(response.status, lowered, content)


async def _ask(replica: Replica, errand: Errand) -> Answer:
    headers = [(name.encode(), value.encode()) for name, value in errand.headers]
    request = Request(errand.method.encode(), errand.path.encode(), headers, errand.body)
    async with Exchange(replica.pool, request) as exchange:
        replica.answered()
        content = await _bounded(exchange.pieces())
        told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in exchange.headers]
        return Answer(exchange.status, told, content)


async def _bounded(pieces: AsyncIterator[bytes]) -> bytes:
    """Raises `ValueError` for an answer that is too long, or for ever."""
    content = bytearray()
    async for piece in pieces:
        content += piece
        if len(content) > MAX_ANSWER_BYTES:
            raise ValueError("the answer is too long")
    return bytes(content)
