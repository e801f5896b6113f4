"""`sluice top`: two looks as an overview, the overview as lines, and both on a terminal that is left as it was."""

import asyncio
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cli.numbers import numbers
from cli.overview import Look, Overview, overview
from cli.panel import lines
from cli.top import ENTER, LEAVE
from cli.trouble import trouble
from tests.cli.conftest import JOB_ID, Cli
from tests.cli.fake import answering


def function(name: str, **changed: Any) -> dict[str, Any]:
    said = {"name": name, "namespace": "openfaas-fn", "replicas": [{}], "ready": 1, "in_flight": 0, "queued": 0}
    well = {"reason": "", "reason_age_s": None, "failures": 0}
    return said | {"invocations": 10, "cold_starts": []} | well | changed


LOST = {"reason": "exit status\x1b[2J 1", "reason_age_s": 300.0, "failures": 2}
STATUS: dict[str, Any] = {
    "ready": True,
    "since": 1000.0,
    "port": 8080,
    "functions": [
        function("search", invocations=30, cold_starts=[{"ready_ms": 250}]),
        function("gateway", invocations=14, in_flight=2, queued=1),
        function("scrape-worker", replicas=[], ready=0, queue={"waiting": 3, "running": 0}, **LOST),
    ],
    "faults": [],
    "services": {"postgres": {"ready": True}},
    "observing": None,
}
NUMBERS = """
# TYPE sluice_documents gauge
sluice_documents{state="pending"} 12
sluice_documents{state="indexed"} 1000
sluice_documents{state="failed"} 0
sluice_ready_documents{stage="scrape"} 12
sluice_ready_documents{stage="embed"} 0
sluice_oldest_ready_seconds{stage="scrape"} 3.5
sluice_waiting_domains{reason="domain"} 2
sluice_waiting_domains{reason="crawl_delay"} 1
sluice_domain_wait_longest_seconds{rank="1"} 30
sluice_domain_wait_longest_seconds{rank="2"} 4
sluice_outbox_events 5
sluice_breaker_open{breaker="embedding"} 1
sluice_breaker_open{breaker="membership"} 0
sluice_dead_letters 1
"""
BEFORE = """
gateway_functions_seconds_sum{code="200",function_name="search.openfaas-fn"} 10
gateway_functions_seconds_count{code="200",function_name="search.openfaas-fn"} 100
gateway_functions_seconds_sum{code="200",function_name="gateway.openfaas-fn"} 1
gateway_functions_seconds_count{code="200",function_name="gateway.openfaas-fn"} 4
"""
AFTER = """
gateway_functions_seconds_sum{code="200",function_name="search.openfaas-fn"} 13
gateway_functions_seconds_count{code="200",function_name="search.openfaas-fn"} 110
gateway_functions_seconds_sum{code="500",function_name="search.openfaas-fn"} 7
gateway_functions_seconds_count{code="500",function_name="search.openfaas-fn"} 10
gateway_functions_seconds_sum{code="200",function_name="gateway.openfaas-fn"} 1
gateway_functions_seconds_count{code="200",function_name="gateway.openfaas-fn"} 4
"""
JOB = {
    "job_id": JOB_ID,
    "corpus": "docs\x1b[31m",
    "documents": 1012,
    "progress": {"ended": 1000, "rate_per_s": 2.5, "eta_s": 4.8},
}


def seen(**changed: Any) -> Overview:
    earlier = [function(each["name"]) for each in STATUS["functions"]]
    before = Look(1090.0, STATUS | {"functions": earlier}, numbers(BEFORE))
    return overview(before, Look(1100.0, STATUS | changed, numbers(NUMBERS + AFTER), [JOB]))


def test_rates_and_means_are_of_the_time_between_two_looks() -> None:
    by_name = {each.name: each for each in seen().functions}
    assert list(by_name) == ["gateway", "scrape-worker", "search"]
    search, gateway = by_name["search"], by_name["gateway"]
    assert (search.calls_per_s, search.mean_s, search.cold_start_s) == (2.0, 0.5, 0.25)
    assert (gateway.calls_per_s, gateway.mean_s) == (0.4, 0.25), "nobody called: its mean of all time"
    assert seen().slowest == "search"


def test_a_function_that_was_deployed_anew_goes_at_no_negative_rate() -> None:
    assert seen(functions=[function("search", invocations=0)]).functions[0].calls_per_s == 0


def test_what_waits_is_told_by_stage() -> None:
    found = seen()
    assert found.documents == {"pending": 12, "indexed": 1000}
    assert (found.waiting, found.oldest_s) == ({"scrape": 12, "embed": 0}, {"scrape": 3.5})
    assert (found.domains_waiting, found.longest_domain_wait_s, found.outbox) == (3, 30, 5)
    assert found.jobs == [
        {"job_id": JOB_ID, "corpus": JOB["corpus"], "documents": 1012, "ended": 1000, "rate_per_s": 2.5, "eta_s": 4.8}
    ]


def test_trouble_is_told_first() -> None:
    found = seen(faults=[{}], services={"redis": {"ready": False}})
    assert found.trouble == [
        "scrape-worker: exit status\x1b[2J 1, 5:00 min ago",
        "the circuit breaker before embedding is open",
        "1 dead letter",
        "1 fault armed",
        "redis is not ready",
    ]
    drawn = lines(found, 100, 40, "")
    assert [line.mood for line in drawn][1:6] == ["failed"] * 5
    assert drawn[1].text == "  ! scrape-worker: exit status [2J 1, 5:00 min ago", "it does not drive the terminal"


def test_it_is_drawn_as_a_table() -> None:
    drawn = [line.text for line in lines(replace(seen(), trouble=[]), 100, 40, "10:15:00")]
    assert drawn == [
        "sluice on port 8080, ready, up for 1:40 min   10:15:00",
        "documents of unfinished jobs: 12 pending, 1,000 indexed",
        "waiting: 12 to scrape, the oldest for 3.50 s; 3 domains for its turn, 30.00 s at most; 5 events",
        "slowest: a call of search takes 500 ms",
        "",
        "FUNCTION          READY BUSY HELD WAITING RUNNING CALLS/S     MEAN COLD START",
        "gateway               1    2    1                     0.4   250 ms",
        "scrape-worker      zero    -    -       3       -       -",
        "search                1    -    -                     2.0   500 ms     250 ms",
        "",
        "JOB                                         DONE      RATE       LEFT  CORPUS",
        f"{JOB_ID} 1,000/1,012     2.5/s     4.80 s  docs [31m",
    ]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20, 3), (40, 10), (79, 24)])
def test_a_small_terminal_shows_what_fits(width: int, height: int) -> None:
    drawn = [line.text for line in lines(seen(), width, height, "10:15:00")]
    assert len(drawn) <= height
    assert max(map(len, drawn)) <= width


def test_numbers_that_cannot_be_read_are_left_out() -> None:
    assert numbers("a 1\nb{ 2\nc 3")["a"] == {frozenset(): 1.0}
    assert numbers("") == {}


ANSWERS: Mapping[str, Any] = {
    "/status": STATUS,
    "/metrics": AFTER,
    "/function/gateway/metrics": NUMBERS,
    "/api/orchestrator/jobs": {"jobs": [JOB], "next": None},
}


async def test_in_a_pipe_it_is_printed_once(sluice: Cli) -> None:
    async with answering(sluice, ANSWERS) as aimed:
        said, as_json = await aimed("top"), (await aimed("top", "--json")).json()
    assert said.code == 0, said.err
    assert "FUNCTION" in said.out
    assert "\x1b" not in said.out
    assert [each["name"] for each in as_json["functions"]] == ["gateway", "scrape-worker", "search"]


async def test_while_the_gateway_is_silent_the_emulator_s_part_is_shown(sluice: Cli) -> None:
    async with answering(sluice, {"/status": STATUS}) as aimed:
        said = (await aimed("top", "--json")).json()
    assert (len(said["functions"]), said["documents"], said["jobs"]) == (3, {}, [])


async def test_without_a_platform_it_says_how_to_start_one(sluice: Cli) -> None:
    said = await sluice("top", "--once")
    assert said.code == 1
    assert "Start one with `sluice up`" in said.err


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "x"])
async def test_an_interval_is_a_number_of_seconds(sluice: Cli, interval: str) -> None:
    assert (await sluice("top", "--interval", interval)).code == 2


async def test_ctrl_c_leaves_the_terminal_as_it_was(sluice: Cli) -> None:
    async with answering(sluice, ANSWERS) as aimed:
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 40, 0, 0))
        process = await aimed.start_on(theirs, "top", "--interval", "0.2")
        os.close(theirs)
        shown = b""
        try:
            async with asyncio.timeout(30):
                while shown.count(b"sluice on port") < 2:  # it was refreshed
                    shown += await asyncio.to_thread(os.read, ours, 65_536)
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 0
                while LEAVE.encode() not in shown:
                    shown += await asyncio.to_thread(os.read, ours, 65_536)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(ours)
    assert shown.startswith(ENTER.encode())
    assert shown.rstrip().endswith(LEAVE.encode())
    assert b"Traceback" not in shown


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"reason_age_s": 59.0, "failures": 0, "ready": 1}, "exit status\x1b[2J 1, 59.0 s ago"),
        ({"reason_age_s": 60.0, "failures": 0, "ready": 1}, ""),
        ({"reason_age_s": 60.0, "failures": 0, "ready": 0}, ""),
        ({"reason_age_s": 60.0, "failures": 1, "ready": 1}, ""),
        ({"reason_age_s": 60.0, "failures": 1, "ready": 0}, "exit status\x1b[2J 1, 1:00 min ago"),
    ],
)
def test_trouble_ends_a_minute_after_it_was_overcome(changed: dict[str, Any], said: str) -> None:
    assert trouble(function("chunk", **LOST | changed)) == said
