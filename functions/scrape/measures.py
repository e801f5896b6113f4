"""The fetcher, the parser and the pace, counted: they do as they did, and say what came of it."""

import time
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import httpx

from functions.scrape.core import Response
from functions.scrape.fetch import Fetcher
from functions.scrape.frames import Page, Text
from functions.scrape.pace import Pace
from functions.scrape.parsing import Parser
from observe import metrics
from shared.errors import SluiceError

RequestMode: TypeAlias = Literal["sync", "async"]

_FETCHES: Final = metrics.counter("sluice_fetches_total", "Requests to sites.", "request_mode", "outcome")
_SECONDS: Final = metrics.histogram("sluice_fetch_seconds", "One request to a site, to the last byte.", "request_mode")
_BYTES: Final = metrics.counter("sluice_fetched_bytes_total", "Bytes of bodies, as they were sent.", "request_mode")
_WAITS: Final = metrics.histogram(
    "sluice_domain_wait_seconds",
    "How long a document was sent back to wait for its domain's turn.",
    "request_mode",
    bounds=(0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0),
)
_EXTRACTIONS: Final = metrics.histogram(
    "sluice_extraction_seconds", "From a page's bytes to its text, waiting for the parser included.", "outcome"
)


class MeasuredFetcher(Fetcher):
    """`request_mode`: whether somebody waits for the page, or a worker fetches it."""

    def __init__(self, client: httpx.AsyncClient, request_mode: RequestMode) -> None:
        super().__init__(client)
        self._request_mode = request_mode

    async def get(self, url: str, headers: Mapping[str, str] | None = None, *, cut_at: int | None = None) -> Response:
        started = time.perf_counter()
        outcome = "cancelled"
        try:
            response = await super().get(url, headers, cut_at=cut_at)
            outcome = f"{response.status // 100}xx"
            _BYTES.inc(self._request_mode, by=len(response.body))
        except SluiceError as exc:
            outcome = exc.code
            raise
        finally:
            _FETCHES.inc(self._request_mode, outcome)
            _SECONDS.observe(time.perf_counter() - started, self._request_mode)
        return response


class MeasuredParser(Parser):
    async def read(self, page: Page) -> Text:
        started = time.perf_counter()
        outcome = "failed"
        try:
            text = await super().read(page)
            outcome = "ok"
        finally:
            _EXTRACTIONS.observe(time.perf_counter() - started, outcome)
        return text


class MeasuredPace:
    """A pace that others keep."""

    def __init__(self, pace: Pace, request_mode: RequestMode) -> None:
        self._pace = pace
        self._request_mode = request_mode

    async def turn(self, domain: str, asked_s: float | None, *, claimed: bool) -> float:
        wait_s = await self._pace.turn(domain, asked_s, claimed=claimed)
        if wait_s:
            _WAITS.observe(wait_s, self._request_mode)
        return wait_s

    async def refused(self, domain: str, wait_s: float | None) -> None:
        await self._pace.refused(domain, wait_s)
