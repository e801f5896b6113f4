"""An OpenAI-compatible embeddings endpoint: one request, one try, errors in our words."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from observe import http, tracing
from observe.span import Span
from observe.vocabulary import Attributes
from shared.embeddings.answer import Model, read_answer
from shared.embeddings.measures import Purpose
from shared.errors import InvalidInput, Overloaded, SluiceError, TooLarge, Unavailable
from shared.settings import Environment

if TYPE_CHECKING:
    from openai import APIError, APIStatusError, AsyncOpenAI

# The client wants a key even where the endpoint asks for none.
NO_KEY = "none"
_NOT_CONNECTED = frozenset({"ConnectError", "ConnectTimeout"})


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """There is no default address: content never leaves the owner's infrastructure by an oversight."""

    base_url: str
    timeout_s: float
    api_key: str = field(default=NO_KEY, repr=False)

    @classmethod
    def read(cls, env: Environment) -> "EndpointSettings":
        timeout_s = env.number("EMBEDDING_TIMEOUT_SECONDS", 60, minimum=0.1)
        return cls(env.text("EMBEDDING_API_BASE_URL"), timeout_s, _optional_key(env))

    @classmethod
    def read_for_queries(cls, env: Environment) -> "EndpointSettings":
        """Queries may have an endpoint of their own, and wait for nobody long."""
        base_url = env.optional("EMBEDDING_QUERY_API_BASE_URL") or env.text("EMBEDDING_API_BASE_URL")
        return cls(base_url, env.number("EMBEDDING_QUERY_TIMEOUT_SECONDS", 15, minimum=0.1), _optional_key(env))


def _optional_key(env: Environment) -> str:
    try:
        return env.secret("embedding-api-key").decode().strip() or NO_KEY
    except InvalidInput:
        return NO_KEY


class EndpointDown(Unavailable):
    """Nobody answers, or everybody is refused: trying with fewer texts cannot help.

    Nothing was `sent` where nobody was there to be sent it.
    """

    def __init__(self, code: str, message: str, *, sent: bool = True) -> None:
        super().__init__(code, message)
        self.sent = sent


class EmbeddingClient:
    """Retries nothing by itself: whoever calls knows what else is waiting."""

    def __init__(self, settings: EndpointSettings, purpose: Purpose) -> None:
        self._settings = settings
        self._purpose = purpose
        self._openai: AsyncOpenAI | None = None

    async def embed(self, texts: Sequence[str], model: Model) -> "list[array[float]]":
        """One vector a text, in order.

        Raises `TooLarge` (fewer or shorter texts may pass), `InvalidInput` (one of these texts will not), `Overloaded`
        (with the wait that was asked for), `EndpointDown`, and `Unavailable` for what may be the fault of one text.
        """
        with self._purpose.request(), _asking(model, len(texts)):
            return await self._ask(texts, model)

    async def _ask(self, texts: Sequence[str], model: Model) -> "list[array[float]]":
        from openai import APIError  # noqa: PLC0415

        try:
            raw = await self._open().embeddings.with_raw_response.create(
                input=list(texts), model=model.name, encoding_format="base64", extra_headers=http.carried()
            )
        except APIError as exc:
            raise _in_our_words(exc) from exc
        answer = read_answer(raw.http_response.content, count=len(texts), model=model)
        self._purpose.embedded(answer.tokens)
        return answer.vectors

    async def close(self) -> None:
        if self._openai is not None:
            await self._openai.close()
            self._openai = None

    def _open(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI  # noqa: PLC0415

        if self._openai is None:
            settings = self._settings
            self._openai = AsyncOpenAI(
                base_url=settings.base_url, api_key=settings.api_key, timeout=settings.timeout_s, max_retries=0
            )
        return self._openai


def _asking(model: Model, texts: int) -> Span:
    attributes: Attributes = {
        "embedding.model": model.name,
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": model.name,
        "messaging.batch.message_count": texts,
    }
    return tracing.span("embeddings request", attributes, kind="client")


def _in_our_words(exc: "APIError") -> SluiceError:
    from openai import APIStatusError, APITimeoutError  # noqa: PLC0415

    if isinstance(exc, APIStatusError):
        return _refusal(exc)
    # By name, because which HTTP library it is, is the client's own affair.
    sent = type(exc.__cause__).__name__ not in _NOT_CONNECTED
    if isinstance(exc, APITimeoutError):
        return EndpointDown("embedding_timeout", "the embedding endpoint did not answer in time", sent=sent)
    return EndpointDown("embedding_unavailable", "the embedding endpoint cannot be reached", sent=sent)


def _refusal(exc: "APIStatusError") -> SluiceError:
    status = exc.status_code
    wait_s = _retry_after(exc.response.headers.get("retry-after"))
    match status:
        case 413:
            return TooLarge("embedding_too_large", "the embedding endpoint refuses a request of this size")
        case 429:
            return Overloaded("embedding_overloaded", "the embedding endpoint has too much to do", retry_after_s=wait_s)
        case 401 | 403:
            return EndpointDown("embedding_unauthorized", f"the embedding endpoint refuses our key ({status})")
        case 404 | 405:
            return EndpointDown("embedding_not_found", f"no such embedding endpoint or model ({status})")
        case 408 | 409:
            return EndpointDown("embedding_unavailable", f"the embedding endpoint answered {status}")
    if status < 500:
        return InvalidInput("embedding_refused", f"the embedding endpoint refuses this text ({status})")
    return Unavailable("embedding_failed", f"the embedding endpoint answered {status}", retry_after_s=wait_s)


def _retry_after(value: str | None) -> float | None:
    """Seconds or an HTTP date; nothing that is neither."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().replace(".", "", 1).isdecimal() else _until(value)
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str) -> float:
    moment = parsedate_to_datetime(date)
    return (moment - datetime.now(UTC)).total_seconds() if moment.tzinfo else 0.0
