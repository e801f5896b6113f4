"""Asks Membership who an API key belongs to: cached, one question at a time a key, never waiting for a dead service."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from shared.auth.breaker import CircuitBreaker
from shared.auth.cache import ExpiringCache
from shared.auth.context import CallerContext, CallerType
from shared.auth.keyed_hash import is_api_key, key_hash
from shared.errors import Unauthenticated, Unavailable

if TYPE_CHECKING:
    import httpx

ACCEPTED_S = 60.0  # a revoked key stops everywhere within this time
REFUSED_S = 5.0
CACHED_KEYS = 10_000


class Membership:
    """A client of `POST {url}/auth`. Keys are cached under their keyed hash and never kept."""

    def __init__(
        self, url: str, secret: bytes, *, clock: Callable[[], float] = time.monotonic, timeout_s: float = 10.0
    ) -> None:
        self._url = url.rstrip("/") + "/auth"
        self._secret = secret
        self._clock = clock
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None
        self._accepted = ExpiringCache[CallerContext](ttl_s=ACCEPTED_S, limit=CACHED_KEYS, clock=clock)
        self._refused = ExpiringCache[bool](ttl_s=REFUSED_S, limit=CACHED_KEYS, clock=clock)
        self._breaker = CircuitBreaker("membership", clock=clock)
        self._asking: dict[str, asyncio.Task[CallerContext | None]] = {}

    async def authenticate(self, api_key: str, request_id: str) -> CallerContext:
        """The caller behind a key. Raises `Unauthenticated`, or `Unavailable` when nobody can tell."""
        if not api_key:
            raise Unauthenticated("key_missing", "send your API key in the X-API-Key header")
        if not is_api_key(api_key):
            raise _refusal()
        hashed = key_hash(self._secret, api_key)
        caller = self._accepted.get(hashed)
        if caller is None and self._refused.get(hashed):
            raise _refusal()
        caller = caller or await self._ask_once(hashed, api_key, request_id)
        if caller is None:
            raise _refusal()
        return replace(caller, request_id=request_id)

    async def close(self) -> None:
        for task in list(self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _ask_once(self, hashed: str, api_key: str, request_id: str) -> CallerContext | None:
        task = self._asking.get(hashed)
        if task is None:
            self._breaker.check()
            task = asyncio.create_task(self._ask(hashed, api_key, request_id), name="membership-auth")
            self._asking[hashed] = task
            task.add_done_callback(lambda done: self._answered(hashed, done))
        # Shielded: the caller who happened to ask first may hang up while others wait for the same answer.
        return await asyncio.shield(task)

    def _answered(self, hashed: str, task: asyncio.Task[CallerContext | None]) -> None:
        del self._asking[hashed]
        if not task.cancelled():
            task.exception()  # everyone who waited for it may be gone

    async def _ask(self, hashed: str, api_key: str, request_id: str) -> CallerContext | None:
        asked_at = self._clock()
        try:
            caller = await self._post(api_key, request_id)
        except BaseException:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        if caller is None:
            self._accepted.discard(hashed)
            self._refused.put(hashed, True, asked_at=asked_at)
        else:
            self._accepted.put(hashed, caller, asked_at=asked_at)
        return caller

    async def _post(self, api_key: str, request_id: str) -> CallerContext | None:
        import httpx  # noqa: PLC0415

        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout_s, trust_env=False)
        headers = {"X-API-Key": api_key, "X-Request-Id": request_id}
        try:
            response = await self._client.post(self._url, json={}, headers=headers)
        except httpx.HTTPError as exc:
            raise _down() from exc
        if response.status_code in (401, 403):
            return None
        if response.status_code != 200:
            raise _down()
        return _read(response.content)


def _read(body: bytes) -> CallerContext:
    try:
        answer = json.loads(body)
        caller_id, caller_type = answer["caller_id"], answer.get("caller_type")
        scopes, tier = answer.get("scopes", []), answer.get("tier", "standard")
        if not (isinstance(caller_id, str) and 0 < len(caller_id) <= 128 and isinstance(tier, str)):
            raise TypeError
        known: CallerType = caller_type if caller_type in ("user", "service") else "unknown"
        return CallerContext(caller_id, known, tier, frozenset(map(str, scopes)))
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise Unavailable("membership_invalid", "membership gave an answer nobody can read", retry_after_s=5) from exc


def _refusal() -> Unauthenticated:
    return Unauthenticated("key_refused", "this API key is not known or was revoked")


def _down() -> Unavailable:
    return Unavailable("membership_unavailable", "membership does not answer at the moment", retry_after_s=5)
