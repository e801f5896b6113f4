"""What is accepted is delivered: across restarts, kills, and a full disk, with a bounded file."""

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from emulator.broker.brokers import Brokers
from emulator.broker.journal import Journal
from emulator.broker.ports import Answer
from shared.errors import Conflict
from tests.emulator.broker.world import Request, VirtualClock, World, always, event, eventing, world

EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "content-type": "application/json"}


def rows(folder: Path) -> int:
    database = sqlite3.connect(folder / "broker.db")
    try:
        return int(database.execute("SELECT count(*) FROM events").fetchone()[0])
    finally:
        database.close()


async def test_what_was_delivered_leaves_no_row(tmp_path: Path) -> None:
    async with world(eventing({"a": {}, "b": {}}), tmp_path) as made:
        for _ in range(10):
            await made.post(EVENT, b"{}")
        await made.clock.run_out()
    assert len(made.subscribers.requests) == 20
    assert rows(tmp_path) == 0


async def test_a_restart_delivers_only_what_is_still_owed(tmp_path: Path) -> None:
    given = eventing({"a": {}, "b": {"delivery": {"retry": 3, "backoffPolicy": "linear", "backoffDelay": "PT10S"}}})
    async with world(given, tmp_path) as made:
        made.subscribers.scripts["b"] = always(503)
        assert await made.post(EVENT | {"ce-myext": "v", "x-request-id": "r"}, b"\x00data") == 202
    assert len(made.subscribers.to("a")) == 1
    assert rows(tmp_path) == 1

    async with world(given, tmp_path) as again:
        await again.clock.run_out()
    (request,) = again.subscribers.requests
    assert (request.to, request.body) == ("b", b"\x00data")
    assert (request.header("ce-myext"), request.header("x-request-id")) == ("v", "r")
    assert rows(tmp_path) == 0


async def test_a_trigger_that_is_gone_is_owed_nothing(tmp_path: Path) -> None:
    policy = {"delivery": {"retry": 1, "backoffPolicy": "exponential", "backoffDelay": "PT10S"}}
    async with world(eventing({"a": policy, "b": policy}), tmp_path) as made:
        made.subscribers.scripts = {"a": always(503), "b": always(503)}
        await made.post(EVENT)
    async with world(eventing({"b": {}}), tmp_path) as again:
        await again.clock.run_out()
    assert [request.to for request in again.subscribers.requests] == ["b"]
    assert rows(tmp_path) == 0


async def test_an_event_that_nobody_wants_is_not_stored(tmp_path: Path) -> None:
    async with world(eventing({"a": {"filter": {"attributes": {"type": "other"}}}}), tmp_path) as made:
        assert await made.post(EVENT) == 202
    assert made.brokers.snapshot()["broker ns/default"] == {"accepted": 1, "unmatched": 1}
    assert rows(tmp_path) == 0


async def test_two_emulators_cannot_share_a_journal(tmp_path: Path) -> None:
    async with world(eventing({}), tmp_path):
        with pytest.raises(Conflict):
            await Journal.open(tmp_path / "broker.db")


async def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broker.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(Conflict):
        await Journal.open(tmp_path / "broker.db")


async def test_the_file_shrinks_after_a_backlog(tmp_path: Path) -> None:
    journal, _ = await Journal.open(tmp_path / "broker.db")
    large = event()
    keys = await asyncio.gather(
        *(journal.add("ns", "default", type(large)(large.attributes, b"x" * 100_000), ["a"]) for _ in range(100))
    )
    for key in keys:
        journal.done(key, "a")
    await journal.close()
    assert (tmp_path / "broker.db").stat().st_size < 1_000_000


async def test_a_full_disk_is_the_producers_to_know(tmp_path: Path) -> None:
    async with world(eventing({"a": {}}), tmp_path) as made:
        journal = made.brokers._journal
        assert journal is not None
        pages = journal._database.execute("PRAGMA page_count").fetchone()[0]
        journal._database.execute(f"PRAGMA max_page_count = {pages}")
        assert await made.post(EVENT, b"x" * 1_000_000) == 500
        journal._database.execute("PRAGMA max_page_count = 1000000")
        assert await made.post(EVENT, b"x") == 202
        await made.clock.run_out()
    assert [len(request.body) for request in made.subscribers.requests] == [1]


async def test_a_reply_is_on_disk_before_its_cause_is_done(tmp_path: Path) -> None:
    """Stopping right after the reply was taken loses neither: the reply is owed at the next start."""
    reply = {"ce-specversion": "1.0", "ce-id": "r", "ce-source": "/a", "ce-type": "t2"}
    given = eventing(
        {
            "a": {"filter": {"attributes": {"type": "t"}}},
            "b": {
                "filter": {"attributes": {"type": "t2"}},
                "delivery": {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT0S"},
            },
        }
    )
    stuck = asyncio.Event()

    async def never(_: Request) -> Answer:
        await stuck.wait()
        return Answer(202)

    async with world(given, tmp_path) as made:
        made.subscribers.scripts = {"a": always(200, headers=reply), "b": never}
        await made.post(EVENT)
    assert rows(tmp_path) == 1
    async with world(given, tmp_path) as again:
        await again.clock.run_out()
    assert [(request.to, request.header("ce-id")) for request in again.subscribers.requests] == [("b", "r")]


async def test_events_that_wait_together_are_one_transaction(tmp_path: Path) -> None:
    journal, _ = await Journal.open(tmp_path / "broker.db")
    before = journal._database.total_changes
    commits: list[str] = []
    journal._database.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await asyncio.gather(*(journal.add("ns", "default", event(id=str(n)), ["a"]) for n in range(500)))
    assert journal._database.total_changes - before == 500
    assert len(commits) <= 2
    await journal.close()


_VICTIM = """
import asyncio, sys
from pathlib import Path
from tests.emulator.broker.world import eventing, event, Subscribers, VirtualClock
from emulator.broker.brokers import Brokers

async def main():
    clock = VirtualClock()
    subscribers = Subscribers(clock)
    async def never(request):
        await asyncio.Event().wait()
    subscribers.scripts["a"] = never
    brokers = Brokers(eventing({"a": {}}), subscribers, clock=clock, journal_path=Path(sys.argv[1]))
    await brokers.start()
    for n in range(10_000):
        assert await brokers.accept("ns", "default", event(id=str(n))) == 202
        print(n, flush=True)

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _VICTIM, str(tmp_path / "broker.db"), stdout=asyncio.subprocess.PIPE
    )
    assert victim.stdout is not None
    lines = [await victim.stdout.readline() for _ in range(200)]
    os.kill(victim.pid, signal.SIGKILL)
    accepted = {line.decode().strip() for line in lines} | {
        line.decode().strip() for line in (await victim.stdout.read()).splitlines() if line.strip()
    }
    await victim.wait()
    made = World(eventing({"a": {}}), tmp_path, ack="durable", ttl=255, parallelism=64)
    await made.brokers.start()
    await made.clock.run_out()
    await made.brokers.stop()
    assert accepted <= {request.header("ce-id") for request in made.subscribers.requests}
    assert rows(tmp_path) == 0


async def test_stopped_brokers_refuse_and_never_lose(tmp_path: Path) -> None:
    async with world(eventing({"a": {}}), tmp_path) as made:
        pass
    assert await made.post(EVENT) == 503


async def test_brokers_need_no_journal_when_synchronous(tmp_path: Path) -> None:
    clock = VirtualClock()
    brokers = Brokers(
        eventing({}),
        World(eventing({}), tmp_path, ack="durable", ttl=1, parallelism=1).subscribers,
        clock=clock,
        journal_path=tmp_path / "none.db",
        ack="imc-sync",
    )
    await brokers.start()
    await brokers.stop()
    assert not (tmp_path / "none.db").exists()
