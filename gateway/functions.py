"""How the gateway reaches the functions behind it."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import httpx

from observe import http
from shared.errors import (
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Overloaded,
    SluiceError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from shared.events.codec import encode_binary
from shared.events.event import CloudEvent, Json
from shared.events.signing import Signer
from shared.publish.spans import sending

PAUSES_S = (0.0, 0.2, 1.0)

_ERRORS: dict[int, type[SluiceError]] = {
    400: InvalidInput,
    401: Unauthenticated,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: InvalidInput,
    429: Overloaded,
    503: Unavailable,
    504: DeadlineExceeded,
}


@dataclass(frozen=True)
class Functions:
    """`template` holds `{name}`."""

    template: str
    signer: Signer
    client: httpx.AsyncClient
    event_timeout_s: float

    async def send(self, name: str, event: CloudEvent) -> None:
        """Signs and delivers an event. Trying again is safe: the receiver knows an event by its id."""
        headers, body = encode_binary(self.signer.sign(event))
        with sending(self._url(name), event), suppress(TimeoutError):
            async with asyncio.timeout(self.event_timeout_s):
                for pause_s in PAUSES_S:
                    await asyncio.sleep(pause_s)
                    if await self._delivered(name, headers, body):
                        return
        raise _unavailable(name)

    async def _delivered(self, name: str, headers: list[tuple[str, str]], body: bytes) -> bool:
        try:
            response = await self.client.post(self._url(name), content=body, headers=headers)
        except httpx.HTTPError:
            return False
        if response.status_code < 500 and response.status_code != 429 and not response.is_success:
            raise SluiceError("event_refused", f"{name} refused our event with status {response.status_code}")
        return response.is_success

    async def call(self, name: str, body: Json, *, api_key: str, request_id: str, timeout_s: float) -> Json:
        """Calls a function as its caller would, with the caller's own key."""
        content = json.dumps(body, ensure_ascii=False).encode()
        answer = await self.forward(name, content, api_key=api_key, request_id=request_id, timeout_s=timeout_s)
        return _json(answer, name)

    async def forward(self, name: str, body: bytes, *, api_key: str, request_id: str, timeout_s: float) -> bytes:
        """The same for JSON that nobody need read on its way. `timeout_s` is for all of it."""
        with http.sending(f"call {name}", "POST", self._url(name)) as span:
            headers = {"X-API-Key": api_key, "X-Request-Id": request_id, "Content-Type": "application/json"}
            response = await self._answer(name, body, headers | http.carried(), timeout_s)
            span.set("http.response.status_code", response.status_code)
            if response.is_success:
                return response.content
            raise _error(response, _json(response.content, name), name)

    async def _answer(self, name: str, body: bytes, headers: dict[str, str], timeout_s: float) -> httpx.Response:
        try:
            async with asyncio.timeout(timeout_s):
                return await self.client.post(self._url(name), content=body, headers=headers, timeout=timeout_s)
        except (TimeoutError, httpx.TimeoutException) as exc:
            raise DeadlineExceeded("sync_timeout", f"{name} did not answer within {timeout_s:g} s") from exc
        except httpx.HTTPError as exc:
            raise _unavailable(name) from exc

    def _url(self, name: str) -> str:
        return self.template.format(name=name)


def _json(content: bytes, name: str) -> Json:
    try:
        return cast("Json", json.loads(content))
    except ValueError as exc:
        raise _unavailable(name) from exc


def _error(response: httpx.Response, answer: Json, name: str) -> SluiceError:
    kind = _ERRORS.get(response.status_code)
    if kind is None or not isinstance(answer, dict) or not isinstance(answer.get("error"), str):
        return _unavailable(name)
    field = answer.get("field")
    return kind(
        str(answer["error"]),
        str(answer.get("message", "")),
        field=field if isinstance(field, str) else None,
        retry_after_s=_seconds(response.headers.get("retry-after")),
    )


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None


def _unavailable(name: str) -> Unavailable:
    return Unavailable(f"{name}_unavailable", f"{name} does not answer at the moment; try again", retry_after_s=5)
