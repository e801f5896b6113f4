"""Asks Membership who an API key belongs to: cached, one question at a time a key, never waiting for a dead service."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from observe import http, metrics
from observe.span import Span
from shared.auth.access import DEFAULT_SCOPES
from shared.auth.answer import MAX_BYTES, read_caller
from shared.auth.breaker import CircuitBreaker
from shared.auth.cache import ExpiringCache
from shared.auth.context import CallerContext
from shared.auth.internal import InternalCallers
from shared.auth.keyed_hash import caller_hash, is_api_key, key_hash
from shared.errors import InvalidInput, Unauthenticated, Unavailable
from shared.settings import Environment

if TYPE_CHECKING:
    import httpx

_LOOKUPS: Final = metrics.counter("sluice_membership_lookups_total", "API keys looked up.", "outcome")
_REQUESTS: Final = metrics.counter("sluice_membership_requests_total", "Questions to Membership.", "outcome")
_SECONDS: Final = metrics.histogram("sluice_membership_request_seconds", "A question to Membership.")

ACCEPTED_S: Final = 60.0  # a revoked key stops everywhere within this time
REFUSED_S: Final = 5.0
TIMEOUT_S: Final = 5.0
CACHED_KEYS: Final = 10_000
NOBODY: Final = InternalCallers()


@dataclass(frozen=True, slots=True)
class MembershipSettings:
    """`timeout_s` bounds a whole answer, however slowly it drips; for `accepted_s` at most an answer is believed."""

    url: str
    secret: bytes = field(repr=False)
    internal: InternalCallers = NOBODY
    timeout_s: float = TIMEOUT_S
    accepted_s: float = ACCEPTED_S

    @classmethod
    def read(cls, env: Environment) -> "MembershipSettings":
        accepted_s = env.number("MEMBERSHIP_CACHE_SECONDS", 60.0)
        if accepted_s > ACCEPTED_S:
            sentence = f"MEMBERSHIP_CACHE_SECONDS may be at most {ACCEPTED_S:g}: a revoked key must stop by then"
            raise InvalidInput("setting_invalid", sentence, field="MEMBERSHIP_CACHE_SECONDS")
        timeout_s = env.number("MEMBERSHIP_TIMEOUT_SECONDS", 5.0, minimum=0.1)
        internal = InternalCallers.read(env)
        return cls(env.text("MEMBERSHIP_URL"), env.secret("caller-hash-key"), internal, timeout_s, accepted_s)


class Membership:
    """A client of `POST {url}/auth`. Keys are cached under their keyed hash and never kept."""

    def __init__(self, settings: MembershipSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = settings.url.rstrip("/") + "/auth"
        self._secret = settings.secret
        self._internal = settings.internal
        self._clock = clock
        self._timeout_s = settings.timeout_s
        self._client: httpx.AsyncClient | None = None
        self._accepted = ExpiringCache[CallerContext](ttl_s=settings.accepted_s, limit=CACHED_KEYS, clock=clock)
        self._refused = ExpiringCache[bool](ttl_s=REFUSED_S, limit=CACHED_KEYS, clock=clock)
        self._breaker = CircuitBreaker("membership", clock=clock)
        self._asking: dict[str, asyncio.Task[CallerContext | None]] = {}

    @classmethod
    def read(cls, env: Environment) -> "Membership":
        """The client that a process's environment describes."""
        return cls(MembershipSettings.read(env))

    async def authenticate(self, api_key: str, request_id: str) -> CallerContext:
        """The caller behind a key. Raises `Unauthenticated`, or `Unavailable` when nobody can tell."""
        if not api_key:
            raise Unauthenticated("key_missing", "send your API key in the X-API-Key header")
        if not is_api_key(api_key):
            raise _refusal()
        if self._internal.owns_key(api_key):
            return self._own_service(request_id)
        hashed = key_hash(self._secret, api_key)
        caller = self._accepted.get(hashed)
        if caller is None and self._refused.get(hashed):
            _LOOKUPS.inc("negative")
            raise _refusal()
        _LOOKUPS.inc("miss" if caller is None else "hit")
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
        asked_at, started = self._clock(), time.perf_counter()
        try:
            caller = await self._post(api_key, request_id)
        except BaseException:
            self._breaker.failed()
            _answered("failed", started)
            raise
        self._breaker.succeeded()
        _answered("refused" if caller is None else "accepted", started)
        if caller is None:
            self._accepted.discard(hashed)
            self._refused.put(hashed, True, asked_at=asked_at)
        else:
            self._accepted.put(hashed, caller, asked_at=asked_at)
        return caller

    def _own_service(self, request_id: str) -> CallerContext:
        caller_id = caller_hash(self._secret, "orchestrator")
        return CallerContext(caller_id, "service", "internal", frozenset(DEFAULT_SCOPES), request_id, internal=True)

    async def _post(self, api_key: str, request_id: str) -> CallerContext | None:
        import httpx  # noqa: PLC0415

        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout_s, trust_env=False)
        headers = {"X-API-Key": api_key, "X-Request-Id": request_id}
        with http.sending("membership", "POST", self._url) as span:
            return await self._read(self._client, headers | http.carried(), span)

    async def _read(self, client: "httpx.AsyncClient", headers: dict[str, str], span: Span) -> CallerContext | None:
        import httpx  # noqa: PLC0415

        try:
            async with (
                asyncio.timeout(self._timeout_s),
                client.stream("POST", self._url, json={}, headers=headers) as response,
            ):
                span.set("http.response.status_code", response.status_code)
                if response.status_code in (401, 403):
                    return None
                if response.status_code != 200:
                    raise _down()
                caller = read_caller(await _bounded(response))
        except (httpx.HTTPError, TimeoutError) as exc:
            raise _down() from exc
        return replace(caller, internal=caller.caller_id in self._internal.caller_ids)


def _answered(outcome: str, started: float) -> None:
    _REQUESTS.inc(outcome)
    _SECONDS.observe(time.perf_counter() - started)


async def _bounded(response: "httpx.Response") -> bytes:
    """What is too long to be an answer is none."""
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_BYTES:
            return b""
    return body


def _refusal() -> Unauthenticated:
    return Unauthenticated("key_refused", "this API key is not known or was revoked")


def _down() -> Unavailable:
    return Unavailable("membership_unavailable", "membership does not answer at the moment", retry_after_s=5)
