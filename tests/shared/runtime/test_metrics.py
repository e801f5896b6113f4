"""What a function says of itself, after real requests."""

from collections.abc import Iterator

import httpx
import pytest

from tests.numbers import OPEN_METRICS, Since, scraped
from tests.processes import wait_until
from tests.shared.runtime.processes import Running, running
from tests.shared.runtime.test_answers import EMBEDDED, event_of, post_event

GOOD = {"x-api-key": "good"}


@pytest.fixture(scope="module")
def echo() -> Iterator[Running]:
    with running("host") as found:
        yield found


def test_requests_are_counted_by_kind_mode_and_status(echo: Running) -> None:
    with httpx.Client(base_url=echo.url, trust_env=False) as client:
        more = Since(echo.url)
        post_event(client, event_of(EMBEDDED))
        client.post("/", json={}, headers=GOOD)
        client.post("/", json={}, headers={"x-api-key": "bad"})
        client.get("/raw")
        client.put("/nowhere")
        wait_until(lambda: more("sluice_function_requests_total") == 5)
    assert more("sluice_function_requests_total", kind="event", request_mode="async", status="204") == 1
    assert more("sluice_function_requests_total", kind="invoke", request_mode="sync", status="200") == 1
    assert more("sluice_function_requests_total", kind="invoke", request_mode="sync", status="401") == 1
    assert more("sluice_function_requests_total", kind="route", request_mode="sync") == 1
    assert more("sluice_function_requests_total", kind="none", function="echo") == 1
    assert more("sluice_function_errors_total", code="key_refused") == 1
    assert more("sluice_function_request_seconds_count", kind="event", request_mode="async") == 1


def test_the_time_of_a_request_is_in_its_histogram(echo: Running) -> None:
    more = Since(echo.url)
    httpx.post(echo.url, json={"sleep_s": 0.3}, headers=GOOD, trust_env=False)
    assert more("sluice_function_request_seconds_sum", kind="invoke") >= 0.3
    assert more.in_seconds("sluice_function_request_seconds", kind="invoke")
    assert more("sluice_function_request_seconds_bucket", kind="invoke", le="0.25") == 0
    assert more("sluice_function_request_seconds_bucket", kind="invoke", le="+Inf") == 1


def test_a_function_knows_how_long_its_start_took_and_that_it_is_ready(echo: Running) -> None:
    found = scraped(echo.url, OPEN_METRICS)
    assert 0 < found("sluice_function_cold_start_seconds", function="echo") < 60
    assert found("sluice_function_ready", function="echo") == 1
    assert found("process_resident_memory_bytes") > 0
