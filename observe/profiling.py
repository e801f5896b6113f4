"""Profiles: where a process's processor time goes, pushed to Pyroscope, and for which span it was spent.

On if and only if PYROSCOPE_SERVER_ADDRESS is set. Off, nothing is imported, and what is to be profiled is handed back
as it is. The sampler starts with the first work that is told to it, so that a worker's parent, which forks, never has
it: its threads would not be there after the fork.
"""

import atexit
import functools
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, ParamSpec, TypeVar

from observe.context import TraceContext, current
from observe.steps import Stepwise

T = TypeVar("T")
P = ParamSpec("P")

log = logging.getLogger(__name__)

FLUSH_S: Final = 3.0
# A span that is over is exported within seconds; until then it is known which were profiled.
_REMEMBERED: Final = 10_000
_SPAN: Final = "span_id"


@dataclass(frozen=True, slots=True)
class Settings:
    address: str
    service: str
    tags: Mapping[str, str]

    @classmethod
    def read(cls, service: str, variables: Mapping[str, str]) -> "Settings | None":
        """None is off: an address that is none is said, and no reason to stop."""
        address = variables.get("PYROSCOPE_SERVER_ADDRESS", "").strip()
        if address and not address.startswith(("http://", "https://")):
            log.warning("PYROSCOPE_SERVER_ADDRESS is no address such as http://alloy:4040; nothing is profiled")
            return None
        tags = {
            "service_version": variables.get("SERVICE_VERSION") or "unknown",
            "deployment_environment": variables.get("DEPLOYMENT_ENVIRONMENT") or "dev",
        }
        return cls(address, service, tags) if address else None


@dataclass(slots=True)
class _Process:
    """A process has one sampler, as it has one root logger."""

    settings: Settings | None = None
    sampling: bool = False
    spans: dict[str, None] = field(default_factory=dict)

    def remember(self, span_id: str) -> None:
        self.spans[span_id] = None
        if len(self.spans) > _REMEMBERED:
            del self.spans[next(iter(self.spans))]


_process = _Process()


def setup(service: str, variables: Mapping[str, str]) -> None:
    """Once a process, before its first work. Starts and imports nothing."""
    _process.settings = Settings.read(service, variables)


def attributed(work: Awaitable[T]) -> Awaitable[T]:
    """The same work, its time told as that of the span under way; not that of tasks which it starts."""
    span = _begin()
    return work if span is None else Stepwise(work, _Tag(span.span_id))


def in_thread(function: Callable[P, T]) -> Callable[P, T]:
    """For `asyncio.to_thread`, which takes the current span along, but no tag of a thread."""
    span = _begin()
    if span is None:
        return function

    @functools.wraps(function)
    def tagged(*args: P.args, **kwargs: P.kwargs) -> T:
        with _Tag(span.span_id):
            return function(*args, **kwargs)

    return tagged


def profiled(span_id: str) -> bool:
    """Whether time was told as that span's, lately."""
    return span_id in _process.spans


def stop(timeout_s: float = FLUSH_S) -> bool:
    """For the end of a process, or of a wake-up: whether what was sampled left in time. Later work starts it again."""
    if not _process.sampling:
        return True
    _process.sampling = False
    import pyroscope  # noqa: PLC0415

    # It pushes what it has, for as long as the server takes: another thread can be left behind.
    leaving = threading.Thread(target=pyroscope.shutdown, name="profiles", daemon=True)
    leaving.start()
    leaving.join(timeout_s)
    return not leaving.is_alive()


def _begin() -> TraceContext | None:
    """The span to tell time as, with the sampler running; None where there is neither."""
    if _process.settings is None:
        return None
    span = current()
    if not _process.sampling:
        _start(_process.settings)
    if span is None or not span.sampled or not _process.sampling:
        return None
    _process.remember(span.span_id)
    return span


def _start(settings: Settings) -> None:
    """Costs some 30 ms of processor time."""
    import pyroscope  # noqa: PLC0415

    _process.sampling = pyroscope.configure(
        application_name=settings.service,
        server_address=settings.address,
        tags=dict(settings.tags),
        # Tokenizers and models work without the interpreter's lock.
        gil_only=False,
    )
    atexit.register(stop)
    if not _process.sampling:
        log.warning("the profiler does not start; nothing is profiled")
        _process.settings = None


class _Tag:
    """A tag belongs to a thread, so it is taken away whenever something else may run on it."""

    __slots__ = ("_span_id",)

    def __init__(self, span_id: str) -> None:
        self._span_id = span_id

    def __enter__(self) -> None:
        import pyroscope  # noqa: PLC0415

        pyroscope.add_thread_tag(_SPAN, self._span_id)

    def __exit__(self, *_: object) -> None:
        import pyroscope  # noqa: PLC0415

        pyroscope.remove_thread_tag(_SPAN, self._span_id)


def _forked() -> None:
    """The parent's sampler has no thread here."""
    _process.sampling = False


os.register_at_fork(after_in_child=_forked)
