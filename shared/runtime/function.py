"""A stage as its transport sees it: resources, and handlers for events, calls and raw routes."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from shared.auth.access import Access
from shared.auth.context import CallerContext
from shared.contracts.payload import Payload
from shared.contracts.ports import EventSink
from shared.events.event import CloudEvent, Json
from shared.runtime.http import HttpRequest, HttpResponse
from shared.settings import Environment

if TYPE_CHECKING:
    from shared.events.signing import Signer

R = TypeVar("R")
Stage: TypeAlias = Literal["scrape", "chunk", "embed", "read"]


class Authenticator(Protocol):
    """Membership, as far as a function needs it."""

    async def authenticate(self, api_key: str, request_id: str) -> CallerContext:
        """Raises `Unauthenticated`, or `Unavailable` when nobody can tell."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """An event to reply with or to publish; `sent` is awaited once it has left, and only then."""

    event: CloudEvent
    sent: Callable[[], Awaitable[None]] | None = None


Reply: TypeAlias = Payload | Answer | None
# A handler takes the payload of its own type, which a mapping of types cannot say: hence Any.
EventHandler: TypeAlias = Callable[[Any, R, CloudEvent], Awaitable[Reply]]
InvokeHandler: TypeAlias = Callable[[Json, CallerContext, R], Awaitable[Json]]
# What a nudge sets going: it carries nothing, and says nothing.
NudgeHandler: TypeAlias = Callable[[R], Awaitable[None]]
RouteHandler: TypeAlias = Callable[[HttpRequest, R], Awaitable[HttpResponse]]


@dataclass(frozen=True, slots=True)
class Limits:
    """`concurrency` requests at once (0: any number); events have a bound of their own."""

    concurrency: int = 0
    body_bytes: int = 1024 * 1024
    body_timeout_s: float = 30.0

    @classmethod
    def read(cls, env: Environment) -> "Limits":
        return cls(env.integer("CONCURRENCY", 0), env.integer("MAX_BODY_BYTES", 1024 * 1024, minimum=1))


@dataclass(frozen=True)
class Function(Generic[R]):
    """`open` runs once, at start; readiness follows it. Routes are exact (method, path) pairs, and look after
    themselves; `invoke_access` is what a caller needs for `invoke`. `nudged` is what OpenFaaS's cron connector
    sets going, which signs nothing: it must do no harm, however often it comes. `stage` is what spans call its part."""

    name: str
    open: Callable[[], AbstractAsyncContextManager[R]]
    events: Mapping[type[Payload], EventHandler[R]] = field(default_factory=dict)
    invoke: InvokeHandler[R] | None = None
    invoke_access: Access = "write"
    routes: Mapping[tuple[str, str], RouteHandler[R]] = field(default_factory=dict)
    nudged: NudgeHandler[R] | None = None
    signer: "Signer | None" = None
    unsigned_ok: frozenset[str] = frozenset()
    membership: Authenticator | None = None
    publish: EventSink | None = None
    limits: Limits = Limits()
    stage: "Stage | None" = None

    def __post_init__(self) -> None:
        unguarded = {payload.event_type for payload in self.events} - self.unsigned_ok
        if unguarded and self.signer is None:
            raise ValueError(f"{self.name} takes events but has no signer")
        if self.invoke is not None and self.membership is None:
            raise ValueError(f"{self.name} can be called but knows no membership")

    @property
    def source(self) -> str:
        """The CloudEvents source of what this function emits."""
        return f"/functions/{self.name}"
