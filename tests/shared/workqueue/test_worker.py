"""The real worker process against a real Redis: stops, deaths, restarts."""

import os
import signal
import subprocess
import urllib.error
import urllib.request
from contextlib import AbstractContextManager

import pytest
import redis

from shared.errors import Unavailable
from shared.workqueue.wake import Waker
from tests.fakes.redis_server import RedisServer
from tests.local_http import closed_port
from tests.numbers import OPEN_METRICS, Numbers, scraped
from tests.processes import running_module, wait_until
from tests.shared.workqueue import tasks


def worker(
    server: RedisServer, port: int | None = None, **env: str
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    variables = {"REDIS_URL": server.url, "PORT": str(port or closed_port())} | env
    return running_module("tests.shared.workqueue.host", variables)


def waker(server: RedisServer, task: str, *, stale_s: int = 30) -> Waker:
    return Waker(server.url, tasks.QUEUE, f"tests.shared.workqueue.tasks.{task}", slots=2, stale_s=stale_s)


def value(server: RedisServer, key: str) -> int:
    try:
        with server.client() as client:
            return int(client.get(key) or 0)
    except redis.RedisError:
        return 0


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode()
    except OSError:
        return 0, ""


async def test_a_wake_up_runs_once_however_often_it_is_asked_for(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "count")
    assert await wake.wake()
    assert not await wake.wake()
    assert await wake.wake(slot=1)
    assert not await wake.wake(slot=2), "there are two slots"
    with worker(own_redis):
        wait_until(lambda: value(own_redis, "ran:0") == 1 and value(own_redis, "ran:1") == 1)
        assert await wake.wake(), "the first has started, so new work needs a new wake-up"
        wait_until(lambda: value(own_redis, "ran:0") == 2)
    wake.close()


async def test_a_wake_up_lost_with_redis_is_sent_again_after_its_time(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "count", stale_s=1)
    assert await wake.wake()
    with own_redis.client() as client:
        client.delete("rq:queue:probe")
        wait_until(lambda: not client.exists("sluice:wake:probe:0"))
        assert await wake.wake()
        wait_until(lambda: not client.exists("sluice:wake:probe:0"))
        assert await wake.wake(), "there is room for a second"
        wait_until(lambda: not client.exists("sluice:wake:probe:0"))
        assert not await wake.wake(), "as many wait already as there are slots"
        assert client.llen("rq:queue:probe") == 2
    wake.close()


async def test_without_redis_it_says_so(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "count")
    own_redis.kill()
    with pytest.raises(Unavailable) as error:
        await wake.wake()
    assert error.value.code == "redis_unavailable"


async def test_sigterm_lets_the_horse_give_back_its_claims(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "until_stopped")
    await wake.wake()
    with worker(own_redis) as process:
        wait_until(lambda: value(own_redis, "horse") > 0)
        process.terminate()
        assert process.wait(10) == 0
    assert value(own_redis, "released") == 1
    with own_redis.client() as client:
        assert client.llen("rq:queue:probe") == 1, "whoever stops early leaves a wake-up for the next worker"
        assert client.zcard("rq:wip:probe") == 0
    wake.close()


async def test_an_orphaned_horse_stops_by_itself(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "until_stopped")
    await wake.wake()
    port = closed_port()
    with worker(own_redis, port) as process:
        wait_until(lambda: value(own_redis, "horse") > 0)
        assert get(port, "/readyz") == (200, "ready\n")
        process.kill()
        process.wait()
        assert get(port, "/healthz")[0] == 0, "the horse does not hold the port"
        wait_until(lambda: value(own_redis, "released") == 1)
    wake.close()


async def test_a_killed_horse_is_replaced(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "die_once")
    await wake.wake()
    with worker(own_redis):
        wait_until(lambda: value(own_redis, "ran:0") == 2)
    wake.close()


async def test_it_survives_a_redis_that_dies_and_comes_back_empty(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "count")
    await wake.wake()
    port = closed_port()
    with worker(own_redis, port) as process:
        wait_until(lambda: value(own_redis, "ran:0") == 1)
        own_redis.kill()
        wait_until(lambda: get(port, "/readyz")[0] == 503)
        assert get(port, "/healthz") == (200, "ok\n")
        own_redis.start()
        assert await wake.wake()
        wait_until(lambda: value(own_redis, "ran:0") >= 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    wake.close()


async def test_it_waits_for_a_redis_that_is_not_there_yet(own_redis: RedisServer) -> None:
    own_redis.kill()
    port = closed_port()
    with worker(own_redis, port):
        wait_until(lambda: get(port, "/healthz")[0] == 200)
        own_redis.start()
        wake = waker(own_redis, "count")
        await wake.wake()
        wait_until(lambda: value(own_redis, "ran:0") == 1)
        wake.close()


async def test_work_left_behind_wakes_the_same_slot_and_too_much_work_the_next(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "saturate")
    await wake.wake()
    with worker(own_redis):
        wait_until(lambda: value(own_redis, "ran:0") == 2 and value(own_redis, "ran:1") >= 1)
    wake.close()


async def test_it_leaves_after_its_number_of_jobs(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "count")
    await wake.wake(slot=0)
    await wake.wake(slot=1)
    port = closed_port()
    with worker(own_redis, port, WORKER_MAX_JOBS="2") as process:
        assert process.wait(20) == 0
    assert value(own_redis, "ran:0") + value(own_redis, "ran:1") == 2
    wake.close()


async def test_metrics_name_the_queue(own_redis: RedisServer) -> None:
    port = closed_port()
    with worker(own_redis, port):
        wait_until(lambda: get(port, "/healthz")[0] == 200)
        assert 'sluice_worker_wake_ups_total{queue="probe"} 0' in get(port, "/metrics")[1]
        assert get(port, "/secrets")[0] == 404


async def test_what_a_wake_up_counts_is_its_worker_s_also_when_it_is_killed(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "count_pages_until_killed")
    await wake.wake()
    port = closed_port()
    with worker(own_redis, port):

        def told() -> Numbers:
            return scraped(f"http://127.0.0.1:{port}")

        wait_until(lambda: value(own_redis, "horse") > 0)
        wait_until(lambda: told()("sluice_test_in_hand") == 7)
        assert told()("sluice_worker_busy", queue="probe") == 1
        os.kill(value(own_redis, "horse"), signal.SIGKILL)
        wait_until(lambda: told()("sluice_worker_killed_total", queue="probe") == 1)
        found = told()
        assert found("sluice_test_pages_total", outcome="ok") in (40, 80), "80: RQ has begun it again"
        assert found("sluice_worker_wake_ups_total", queue="probe") <= 1
        assert found("sluice_worker_cpu_seconds_total", queue="probe") > 0
        wait_until(lambda: told()("sluice_test_pages_total", outcome="ok") == 80)
    wake.close()


async def test_what_ends_by_itself_tells_its_last_count_and_its_gauges_end_with_it(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "count_pages")
    await wake.wake()
    port = closed_port()
    with worker(own_redis, port):
        wait_until(lambda: get(port, "/healthz")[0] == 200)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: scraped(url)("sluice_worker_wake_ups_total", queue="probe") == 1)
        wait_until(
            lambda: scraped(url).labels("sluice_test_in_hand") == [{}] and not scraped(url)("sluice_test_in_hand")
        )
        found = scraped(url, OPEN_METRICS)
        assert found("sluice_test_pages_total", outcome="ok") == 40
        assert (found("sluice_test_seconds_count"), found("sluice_test_seconds_sum")) == (1, 0.2)
        assert found("sluice_worker_busy_seconds_total", queue="probe") > 0
        assert found("sluice_worker_busy", queue="probe") == 0
        assert found("sluice_worker_killed_total", queue="probe") == 0
    wake.close()
