"""Makes the calls that were submitted, several at a time, first come first served, and calls back whoever asked."""

import asyncio
import io
import logging
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import partial

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from emulator.asgi import Header
from emulator.exchange import NOT_FORWARDED, end_to_end
from emulator.openfaas.asynchronous.retries import RetryPolicy
from emulator.openfaas.asynchronous.store import Answer, CallStore, Headers, StoredCall, Submission

CONCURRENCY = 32
MAX_ANSWER_BYTES = 16 * 1024 * 1024
CALLBACK_S = 30.0
AGENT = "sluice-queue-worker"
INTERNAL = "x-openfaas-internal"
_OURS = frozenset(("x-call-id", "x-duration-seconds", "x-function-name", "x-function-status", "content-length"))

_log = logging.getLogger(__name__)


class AsyncCalls:
    """`gateway` is the address that functions are called at. A call that is cut off by the end is made again.

    `policy` says by a function's name, as the caller wrote it, whether what fails is tried again.
    """

    def __init__(
        self,
        store: CallStore,
        left: Iterable[tuple[int, str]],
        session: aiohttp.ClientSession,
        gateway: str,
        policy: Callable[[str], RetryPolicy | None],
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.store = store
        self._session = session
        self._gateway = gateway
        self._policy = policy
        self._concurrency = concurrency
        self._waiting = deque(left)
        self._unfinished = Counter(function for _, function in self._waiting)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._open = False

    def start(self) -> None:
        self._open = True
        self._fill()

    async def stop(self, drain_s: float) -> None:
        """Nothing new is called; what is cut off after `drain_s` is called again by the next emulator."""
        self._open = False
        for timer in self._timers.values():
            timer.cancel()
        for patience_s in (drain_s, None):
            if self._tasks:
                await asyncio.wait(self._tasks.values(), timeout=patience_s)
            for task in self._tasks.values():
                task.cancel()

    async def submit(self, call: Submission) -> None:
        """Raises `sqlite3.Error` when it could not be kept."""
        key = await self.store.add(call)
        self._unfinished[call.function] += 1
        self._waiting.append((key, call.function))
        self._fill()

    async def cancel(self, call: StoredCall) -> bool:
        """Also while it runs; nobody is called back. False when it is over already."""
        if call.state in ("completed", "cancelled"):
            return False
        await self.store.cancelled(call.key, time.time())
        if timer := self._timers.pop(call.key, None):
            timer.cancel()
            self._unfinished[call.submission.function] -= 1
        if task := self._tasks.get(call.key):
            task.cancel()
        return True

    def queued(self, function: str) -> int:
        """Those that wait or run, by the name under which they were submitted."""
        return self._unfinished[function]

    def _fill(self) -> None:
        while self._open and self._waiting and len(self._tasks) < self._concurrency:
            key, function = self._waiting.popleft()
            task = asyncio.create_task(self._work(key, function), name=f"async call of {function}")
            self._tasks[key] = task
            task.add_done_callback(partial(self._ended, key))

    def _ended(self, key: int, _: "asyncio.Task[None]") -> None:
        del self._tasks[key]
        self._fill()

    async def _work(self, key: int, function: str) -> None:
        wait_s = None
        try:
            call = await self.store.load(key)
            if call is not None and call.state != "cancelled":
                wait_s = await self._make(call)
        except sqlite3.Error as error:
            _log.error("an asynchronous call of %s could not be written down: %s", function, error)
        finally:
            if wait_s is None:
                self._unfinished[function] -= 1
        if wait_s is not None:
            self._timers[key] = asyncio.get_running_loop().call_later(wait_s, self._again, key, function)

    def _again(self, key: int, function: str) -> None:
        del self._timers[key]
        self._waiting.append((key, function))
        self._fill()

    async def _make(self, call: StoredCall) -> float | None:
        """How long until it is tried again; None when it is over."""
        answer, asked = call.answer, call.submission
        policy = self._policy(asked.function)
        if answer is None:
            await self.store.started(call.key, time.time())
            began_s = time.monotonic()
            answer = await self._call(asked)
            wait_s = _wait_s(policy, answer, call.attempts + 1)
            if wait_s is not None:
                await self.store.postponed(call.key)
                return wait_s
            took = (("X-Duration-Seconds", f"{time.monotonic() - began_s:.6f}"),)
            answer = Answer(answer.status, (*_without_ours(answer.headers), *took), answer.body)
            await self.store.answered(call.key, answer, time.time(), final=asked.callback is None)
        if asked.callback is not None:
            told = () if policy is None else _retried(call, policy)
            await self.store.called_back(call.key, await self._call_back(asked.callback, asked, answer, told))
        return None

    async def _call(self, call: Submission) -> Answer:
        headers = CIMultiDict(call.headers)
        headers.setdefault("User-Agent", AGENT)
        url = URL(f"{self._gateway}/function/{call.function}{call.target}", encoded=True)
        try:
            async with self._session.post(
                url, headers=headers, data=_payload(call.body), allow_redirects=False
            ) as response:
                body = await _bounded(response)
                told = end_to_end((name.lower(), value) for name, value in response.raw_headers)
                return Answer(response.status, _text(told), body)
        except (aiohttp.ClientError, OSError, ValueError):
            return Answer(503, ((INTERNAL, AGENT),), b"")

    async def _call_back(self, url: str, call: Submission, answer: Answer, told: Headers) -> str:
        """Once; what comes of it is only written down."""
        headers = CIMultiDict((*answer.headers, *told))
        headers["User-Agent"] = AGENT
        headers["X-Call-Id"] = call.call_id
        headers["X-Function-Name"] = call.function
        headers["X-Function-Status"] = str(answer.status)
        try:
            limit = aiohttp.ClientTimeout(total=CALLBACK_S)
            async with self._session.post(
                URL(url, encoded=True),
                headers=headers,
                data=_payload(answer.body),
                timeout=limit,
                allow_redirects=False,
            ) as response:
                return str(response.status)
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            _log.warning("the callback of call %s failed: %s", call.call_id, type(error).__name__)
            return f"failed: {type(error).__name__}"


def forwarded(headers: Iterable[Header]) -> tuple[tuple[str, str], ...]:
    """What of a submission goes to the function."""
    return _text((name, value) for name, value in end_to_end(headers) if name not in NOT_FORWARDED)


def _wait_s(policy: RetryPolicy | None, answer: Answer, made: int) -> float | None:
    of_platform = any(name.lower() == INTERNAL for name, _ in answer.headers)
    return None if policy is None else policy.wait_s(answer.status, made, of_platform=of_platform)


def _retried(call: StoredCall, policy: RetryPolicy) -> Headers:
    made = call.attempts + (call.answer is None)
    return (("X-Retry", str(made - 1)), ("X-Retry-Max", str(policy.attempts)))


def _without_ours(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in headers if name not in _OURS)


def _text(headers: Iterable[Header]) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


def _payload(body: bytes) -> io.BytesIO | None:
    """A long body is written in pieces that way."""
    return io.BytesIO(body) if body else None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """Raises `ValueError` for an answer that is too long to keep."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise ValueError("the answer is too long")
    return bytes(body)
