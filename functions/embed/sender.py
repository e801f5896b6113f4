"""Sends one batch until every text in it has a vector or a reason: waits, tries again, takes it apart."""

import asyncio
import time
from array import array
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from functions.embed.charges import share
from functions.embed.core import Item, halves
from functions.embed.measures import batch_pauses
from shared.auth.breaker import CircuitBreaker
from shared.embeddings.answer import BadAnswer, Model
from shared.embeddings.client import EndpointDown
from shared.errors import (
    Interrupted,
    InvalidInput,
    Overloaded,
    Permanent,
    SluiceError,
    StageFailure,
    TooLarge,
    Transient,
    Unavailable,
)
from shared.tally import Tally, metered

T = TypeVar("T")
Outcome: TypeAlias = "array[float] | StageFailure"
Sleep: TypeAlias = Callable[[float], Awaitable[None]]

Persist: TypeAlias = Callable[[Sequence[Item[T]], Sequence[float]], Awaitable["list[array[float]]"]]

# An endpoint that asks for more patience than this gets the documents later instead.
LONGEST_WAIT_S = 60.0


class Endpoint(Protocol):
    def embed(self, texts: Sequence[str], model: Model) -> "Coroutine[Any, Any, list[array[float]]]": ...


@dataclass(frozen=True, slots=True)
class Policy:
    """`delays_s` between the tries of a batch that failed. `overloads`: how often it may be told to come back."""

    delays_s: tuple[float, ...] = (0.5, 2.0)
    overloads: int = 6
    overload_s: float = 1.0


class Sender:
    """Shared by all batches of a process: when the endpoint asks for a pause, every one of them waits."""

    def __init__(
        self,
        endpoint: Endpoint,
        breaker: CircuitBreaker,
        policy: Policy,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._endpoint = endpoint
        self._breaker = breaker
        self._policy = policy
        self._clock = clock
        self._sleep = sleep
        self._paused_until = 0.0

    async def send(self, batch: Sequence[Item[T]]) -> "list[tuple[Item[T], Outcome]]":
        """A vector or a failure for every text. While the circuit is open, `Interrupted`, without any request."""
        try:
            self._breaker.check()
        except Unavailable as exc:
            rest = Interrupted(exc.code, exc.message, retry_after_s=exc.retry_after_s)
            return _all(batch, rest)
        outcomes = await _Division[T](self._persist, len(batch)).settle(batch, self._policy.delays_s)
        self._report([outcome for _, outcome in outcomes])
        return outcomes

    def _report(self, outcomes: "list[Outcome]") -> None:
        """One word a batch, since taking a batch apart fails many times in a row on a healthy endpoint."""
        if any(not isinstance(outcome, StageFailure) or isinstance(outcome, Permanent) for outcome in outcomes):
            self._breaker.succeeded()
        elif not any(outcome.code == "embedding_overloaded" for outcome in outcomes if isinstance(outcome, Transient)):
            self._breaker.failed()

    async def _persist(self, batch: Sequence[Item[T]], delays_s: Sequence[float]) -> "list[array[float]]":
        overloads, delays = 0, iter(delays_s)
        while True:
            await self._pause()
            try:
                return await self._ask(batch)
            except Overloaded as exc:
                overloads += 1
                wait_s = self._policy.overload_s * 2**overloads if exc.retry_after_s is None else exc.retry_after_s
                if overloads > self._policy.overloads or wait_s > LONGEST_WAIT_S:
                    raise
                self._paused_until = max(self._paused_until, self._clock() + wait_s)
            except Unavailable as exc:
                delay_s = next(delays, None)
                if delay_s is None:
                    raise
                await self._sleep(max(delay_s, min(exc.retry_after_s or 0.0, LONGEST_WAIT_S)))

    async def _ask(self, batch: Sequence[Item[T]]) -> "list[array[float]]":
        """What it takes is charged before anybody hears of the outcome, whatever that is."""
        request, sent = Tally(), True
        try:
            return await metered(self._endpoint.embed([item.text for item in batch], batch[0].model), request)
        except EndpointDown as exc:
            sent = exc.sent
            raise
        finally:
            share(batch, request.cpu_s, sent=sent)

    async def _pause(self) -> None:
        while (left_s := self._paused_until - self._clock()) > 0:
            batch_pauses(left_s)
            await self._sleep(left_s)


class _Division(Generic[T]):
    """Takes a batch apart until the texts at fault stand alone. Gives up when nothing passes for too long."""

    def __init__(self, persist: "Persist[T]", size: int) -> None:
        self._persist = persist
        # The way down to a single text fails once a level, also on an endpoint that is well.
        self._allowed = self._failures_left = size.bit_length() + 2

    async def settle(self, batch: Sequence[Item[T]], delays_s: Sequence[float]) -> "list[tuple[Item[T], Outcome]]":
        try:
            vectors = await self._persist(batch, delays_s)
        except SluiceError as exc:
            return await self._failed(batch, exc)
        self._failures_left = self._allowed
        return list(zip(batch, vectors, strict=True))

    async def _failed(self, batch: Sequence[Item[T]], exc: SluiceError) -> "list[tuple[Item[T], Outcome]]":
        self._failures_left -= 1
        if len(batch) == 1 or not _may_be_one_text(exc):
            return _all(batch, _verdict(exc, alone=len(batch) == 1))
        outcomes: list[tuple[Item[T], Outcome]] = []
        for half in halves(batch):
            if self._failures_left > 0:
                outcomes += await self.settle(half, ())
            else:
                outcomes += _all(half, _verdict(exc, alone=False))
        return outcomes


def _all(batch: Sequence[Item[T]], verdict: StageFailure) -> "list[tuple[Item[T], Outcome]]":
    return [(item, verdict) for item in batch]


def _may_be_one_text(exc: SluiceError) -> bool:
    match exc:
        case BadAnswer():
            return exc.of_one_text
        case EndpointDown() | Overloaded():
            return False
    return True


def _verdict(exc: SluiceError, *, alone: bool) -> StageFailure:
    match exc:
        case TooLarge() if alone:
            return Permanent("chunk_too_long", "a chunk is longer than the embedding endpoint takes")
        case InvalidInput() if alone:
            return Permanent(exc.code, exc.message)
    return Transient(exc.code, exc.message, retry_after_s=exc.retry_after_s)
