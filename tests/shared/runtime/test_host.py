"""Our host as a process: how it starts, drains and ends."""

import json
import signal
import socket
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from tests.processes import wait_until
from tests.shared.runtime.processes import Running, running, start


def call(echo: Running, seconds: float) -> httpx.Response:
    headers = {"x-api-key": "good"}
    return httpx.post(echo.url, json={"sleep_s": seconds}, headers=headers, trust_env=False, timeout=30)


def wait_in_flight(echo: Running, count: int) -> None:
    line = f'sluice_function_requests_in_flight{{function="echo"}} {count}'
    wait_until(lambda: line in httpx.get(f"{echo.url}/metrics", trust_env=False).text)


def is_refused(echo: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", echo.port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def in_flight(echo: Running, seconds: float) -> "Future[httpx.Response]":
    pending = ThreadPoolExecutor(1).submit(call, echo, seconds)
    wait_in_flight(echo, 1)
    return pending


def test_sigterm_finishes_what_is_in_flight_and_refuses_what_is_new() -> None:
    with running("host") as echo:
        pending = in_flight(echo, 1.0)
        echo.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(echo))
        assert not pending.done()
        assert pending.result().status_code == 200
        status, output, _ = echo.stop()
        assert (status, output.split()) == (0, ["opened", "closed"])


def test_an_idle_function_ends_at_once_and_closes_kept_connections() -> None:
    with running("host") as echo, httpx.Client(base_url=echo.url, trust_env=False) as client:
        assert client.get("/healthz").status_code == 200
        echo.process.send_signal(signal.SIGTERM)
        assert echo.stop()[0] == 0


def test_a_drain_ends_at_its_deadline() -> None:
    with running("host", DRAIN_SECONDS="0.3") as echo:
        pending = in_flight(echo, 20)
        echo.process.send_signal(signal.SIGTERM)
        status, output, _ = echo.stop()
        assert (status, output.split()) == (1, ["opened", "closed"])
        answer = pending.result()
        assert (answer.status_code, answer.json()["error"]) == (503, "function_stopping")


def test_a_drain_may_be_longer_than_any_default() -> None:
    with running("host", DRAIN_SECONDS="3600") as echo:
        pending = in_flight(echo, 0.5)
        echo.process.send_signal(signal.SIGTERM)
        assert pending.result().status_code == 200
        assert echo.stop()[0] == 0


def test_resources_that_cannot_open_end_the_process() -> None:
    status, _, log = start("host", ECHO_CANNOT_OPEN="1").stop()
    assert status == 1
    assert "no database" in next(json.loads(line)["stack"] for line in log.splitlines() if "resources_failed" in line)


def test_a_taken_port_ends_the_process() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        status, _, log = start("host", PORT=str(taken.getsockname()[1])).stop()
    assert status not in (0, None)
    assert "address already in use" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_ways_of_stopping_are_clean(number: signal.Signals) -> None:
    with running("host") as echo:
        echo.process.send_signal(number)
        status, _, log = echo.stop()
        assert (status, log) == (0, "")


def test_an_unforeseen_failure_leaves_its_stack_in_the_log() -> None:
    with running("host", CONCURRENCY="1") as echo:
        answer = httpx.post(echo.url, json={"raise": "NoSuchClass"}, headers={"x-api-key": "good"}, trust_env=False)
        echo.process.send_signal(signal.SIGTERM)
        _, _, log = echo.stop()
    assert (answer.status_code, answer.json()) == (500, {"error": "internal_error"})
    line = json.loads(log.splitlines()[0])
    assert (line["level"], line["code"], line["request_id"]) == (
        "error",
        "internal_error",
        answer.headers["x-request-id"],
    )
    assert "AttributeError" in line["stack"]


def test_more_than_the_limit_is_turned_away_but_probes_are_not() -> None:
    with running("host", CONCURRENCY="1") as echo:
        pending = in_flight(echo, 0.5)
        refused = call(echo, 0)
        assert (refused.status_code, refused.json()["error"]) == (429, "function_busy")
        assert refused.headers["retry-after"] == "1"
        assert httpx.get(f"{echo.url}/readyz", trust_env=False).status_code == 200
        assert pending.result().status_code == 200
        assert call(echo, 0).status_code == 200
