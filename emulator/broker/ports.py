"""What the broker needs of the outside: someone who sends, a clock, and names for where things go."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class FunctionDestination:
    """A function of this platform; the sender holds the request while the function starts."""

    namespace: str
    name: str
    path: str = ""

    @property
    def url(self) -> str:
        return f"http://{self.name}.{self.namespace}.svc.cluster.local{self.path}"


@dataclass(frozen=True, slots=True)
class BrokerDestination:
    namespace: str
    name: str

    @property
    def url(self) -> str:
        return f"http://broker-ingress.knative-eventing.svc.cluster.local/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class UriDestination:
    url: str


Destination: TypeAlias = FunctionDestination | BrokerDestination | UriDestination


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP response; header names in lower case."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Errand:
    """One HTTP request, and where it goes."""

    destination: FunctionDestination | UriDestination
    headers: Headers = ()
    body: bytes = b""
    method: Literal["POST", "GET"] = "POST"

    @property
    def path(self) -> str:
        """Within the function that gets it."""
        return (isinstance(self.destination, FunctionDestination) and self.destination.path) or "/"


class Unreachable(Exception):
    """The request got no answer: refused, reset, or a name nobody knows. Its text is for the dead letter."""


class Sender(Protocol):
    """Makes one HTTP request and never retries. Raises `Unreachable`. The caller cancels when time is up."""

    async def send(self, errand: Errand) -> Answer: ...


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def now(self) -> datetime: ...

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer: ...

    async def sleep(self, delay_s: float) -> None: ...

    def timeout(self, delay_s: float) -> AbstractAsyncContextManager[object]:
        """Like `asyncio.timeout`: raises `TimeoutError` out of the block."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(delay_s, callback)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    def timeout(self, delay_s: float) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(delay_s)
