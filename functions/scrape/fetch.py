"""One request, one answer: streamed, bounded in bytes and time, every error translated where it enters."""

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from functions.scrape.body import MAX_BYTES, too_large
from functions.scrape.core import REDIRECTS, Response
from observe import http
from shared.errors import Permanent, StageFailure, Transient
from shared.tally import current

CONNECT_S = 10.0
SILENCE_S = 15.0
TOTAL_S = 45.0
HEADERS = {
    "Accept": "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.1",
    "Accept-Encoding": "gzip, deflate, br, zstd",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """`total_s` bounds the whole answer, so that a server that drips a byte at a time gains nothing."""

    bytes: int = MAX_BYTES
    connect_s: float = CONNECT_S
    silence_s: float = SILENCE_S
    total_s: float = TOTAL_S


class Fetcher:
    """Follows no redirects: each hop is its caller's decision."""

    def __init__(self, client: httpx.AsyncClient, limits: Limits = Limits()) -> None:
        self._client = client
        self._limits = limits
        self._timeout = httpx.Timeout(limits.silence_s, connect=limits.connect_s)

    async def get(self, url: str, headers: Mapping[str, str] | None = None, *, cut_at: int | None = None) -> Response:
        """Raises `StageFailure`. With `cut_at` a longer body is cut there instead of refused."""
        with http.sending(_name(url), "GET", url) as span, _translated():
            async with (
                asyncio.timeout(self._limits.total_s),
                self._client.stream("GET", url, headers=_complete(url, headers), timeout=self._timeout) as response,
            ):
                span.set("http.response.status_code", response.status_code)
                body = b"" if response.status_code in REDIRECTS else await self._read(response, cut_at)
                span.set("http.response.body.size", len(body))
        # Looking at a header of the same name twice joins the values, as lists in headers may be. Not this one: each of
        # its lines may speak to another crawler.
        lines = {"x-robots-tag": "\n".join(response.headers.get_list("x-robots-tag"))}
        return Response(url, response.status_code, dict(response.headers) | lines, body)

    async def _read(self, response: httpx.Response, cut_at: int | None) -> bytes:
        length = response.headers.get("content-length", "")
        if cut_at is None and length.isdecimal() and int(length) > self._limits.bytes:
            raise too_large(self._limits.bytes)
        body, tally = bytearray(), current()
        async for part in response.aiter_raw():
            body += part
            tally.fetched_bytes += len(part)
            if cut_at is not None and len(body) >= cut_at:
                break
            if len(body) > self._limits.bytes:
                raise too_large(self._limits.bytes)
        return bytes(body)


def _name(url: str) -> str:
    return "robots.txt" if urlsplit(url).path == "/robots.txt" else "fetch"


def _complete(url: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    """With the host: else httpx decodes the name to write it, which fails for names IDNA 2008 does not know: emoji."""
    return {"Host": httpx.URL(url).netloc.decode("ascii"), **HEADERS, **(headers or {})}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StageFailure:
        raise
    except (TimeoutError, httpx.TimeoutException) as exc:
        raise _timeout(exc) from exc
    except httpx.ConnectError as exc:
        raise _connect_error(exc) from exc
    except (httpx.RemoteProtocolError, httpx.DecodingError, httpx.LocalProtocolError) as exc:
        raise Transient("bad_response", "the server's answer is not valid HTTP") from exc
    except httpx.InvalidURL as exc:
        raise Permanent("redirect_refused", "the page redirects to what is no address of a page") from exc
    except (httpx.HTTPError, OSError) as exc:
        raise Transient("connection_lost", "the connection broke before the page was complete") from exc


def _timeout(exc: Exception) -> Transient:
    if isinstance(exc, httpx.ConnectTimeout):
        return Transient("connect_timeout", "the server could not be reached in time")
    return Transient("fetch_timeout", "the server took too long to send the page")


def _connect_error(exc: BaseException) -> StageFailure:
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Permanent("tls_certificate_invalid", "the server's certificate is not valid for this host")
        if isinstance(cause, ssl.SSLError):
            return Transient("tls_failed", "no secure connection could be made")
        cause = cause.__cause__ or cause.__context__
    return Transient("connection_refused", "the server could not be reached")
