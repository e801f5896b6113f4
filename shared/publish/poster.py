"""Delivers one event to one address over HTTP, with a few tries."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from observe import metrics
from shared.errors import InvalidInput, SluiceError, Unavailable
from shared.events.codec import decode, encode_binary
from shared.events.event import CloudEvent
from shared.publish.spans import sending

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

_PUBLISHED: Final = (
    metrics.counter(
        "sluice_published_events_total", "Events handed to the broker, or to the functions directly.", "outcome"
    )
    .expect("sent")
    .expect("unavailable")
    .expect("refused")
)

# What Knative's dispatcher retries; other 4xx mean that the event itself is refused.
RETRYABLE = frozenset({404, 408, 409, 429})
LONGEST_ASKED_WAIT_S = 60.0


class Poster:
    """Keeps connections alive between events. aiohttp, since it costs a sixth of httpx's CPU an event."""

    def __init__(
        self,
        delays: Sequence[float],
        *,
        timeout_s: float = 60.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._delays = delays
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, event: CloudEvent) -> CloudEvent | None:
        """The receiver's reply event, if any. Raises `Unavailable` after the last try, `InvalidInput` on a refusal."""
        try:
            reply = await self._persist(url, event)
        except Unavailable:
            _PUBLISHED.inc("unavailable")
            raise
        except InvalidInput:
            _PUBLISHED.inc("refused")
            raise
        _PUBLISHED.inc("sent")
        return reply

    async def _persist(self, url: str, event: CloudEvent) -> CloudEvent | None:
        headers, body = encode_binary(event)
        headers = [*headers, ("prefer", "reply")]
        with sending(url, event) as span:
            for resends, delay_s in enumerate(self._delays, 1):
                try:
                    return await self._once(url, headers, body)
                except Unavailable as exc:
                    await self._sleep(max(delay_s, min(exc.retry_after_s or 0.0, LONGEST_ASKED_WAIT_S)))
                span.set("http.request.resend_count", resends)
            return await self._once(url, headers, body)

    async def _once(self, url: str, headers: list[tuple[str, str]], body: bytes) -> CloudEvent | None:
        import aiohttp  # noqa: PLC0415

        try:
            async with self._open().post(url, headers=headers, data=body, allow_redirects=False) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise Unavailable("receiver_unavailable", f"could not deliver the event: {type(exc).__name__}") from exc
        return _reply(response.status, response.headers, content)

    def _open(self) -> "aiohttp.ClientSession":
        import aiohttp  # noqa: PLC0415

        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout_s, connect=5.0)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _reply(status: int, headers: Mapping[str, str], content: bytes) -> CloudEvent | None:
    if 200 <= status < 300:
        return _event(headers, content)
    if status in RETRYABLE or status >= 500:
        raise Unavailable(
            "receiver_unavailable",
            f"the receiver answered {status}",
            retry_after_s=_seconds(headers.get("Retry-After")),
        )
    raise InvalidInput("event_refused", f"the receiver answered {status}")


def _event(headers: Mapping[str, str], content: bytes) -> CloudEvent | None:
    if not content:
        return None
    try:
        return decode(headers, content)
    except SluiceError as exc:
        log.warning("an answer that is no event was dropped", extra={"code": exc.code})
        return None


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdecimal() else None
