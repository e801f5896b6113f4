"""What can be done to a platform while it works. Each lasts a moment, then the world is as before."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias

import psutil
import redis.asyncio

from shared.store.clock import BELIEVED_S
from tests.faults.recovery import family
from tests.faults.scene import LEASE_S, Scene
from tests.faults.storage import Mode
from tests.faults.watch import AWAY
from tests.pipeline.platform import eventually, eventually_async

Injection: TypeAlias = Callable[[Scene], Awaitable[None]]
FUNCTIONS = ("orchestrator", "scrape", "chunk", "embed", "gateway", "search")
WORKERS = ("scrape-worker", "embed-worker")
TROUBLE_S = 2.0


def signalled(number: signal.Signals, names: tuple[str, ...]) -> Injection:
    """Sends it to every replica of one of these, that happens to live, and to what it forked."""

    async def inject(scene: Scene) -> None:
        name = scene.random.choice(names)
        for process in family(scene.platform, name):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    return inject


async def zombie(scene: Scene) -> None:
    """A worker is stopped for longer than its lease, and wakes up with what it had in hand."""
    frozen = family(scene.platform, scene.random.choice(WORKERS))
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    await asyncio.sleep(LEASE_S * 1.5)
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def service_killed(name: str) -> Injection:
    async def inject(scene: Scene) -> None:
        scene.platform.service(name).kill()

    return inject


async def redis_flushed(scene: Scene) -> None:
    async with _redis(scene) as client:
        await client.flushall()


async def redis_restarted_empty(scene: Scene) -> None:
    async with _redis(scene) as client:
        await client.flushall()
        with suppress(redis.asyncio.ConnectionError):
            await client.shutdown(nosave=True)


async def redis_full(scene: Scene) -> None:
    async with _redis(scene) as client:
        await client.config_set("maxmemory", "1")
        await asyncio.sleep(TROUBLE_S)
        await client.config_set("maxmemory", "0")


async def postgres_restarted(scene: Scene) -> None:
    """Fast shutdown: transactions under way are rolled back."""
    scene.platform.service("postgres").send_signal(signal.SIGINT)


async def connections_cut(scene: Scene) -> None:
    for _ in range(5):
        with suppress(*AWAY):
            await scene.platform.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        await asyncio.sleep(0.3)


async def disk_full(scene: Scene) -> None:
    """As Postgres says it: whatever is written to documents or outbox fails with its very error."""
    try:
        for statement in _DISK_FULL:
            await scene.platform.rows(statement)
        await asyncio.sleep(TROUBLE_S)
    finally:
        await _done(scene, "DROP FUNCTION IF EXISTS disk_is_full CASCADE")


def clock(by: str) -> Injection:
    """The platform's clock is set, and set right again once every process has heard of it."""

    async def inject(scene: Scene) -> None:
        await _done(scene, _TIME.format(f"now() + interval '{by}'"))
        try:
            await asyncio.sleep(BELIEVED_S + TROUBLE_S)
        finally:
            await _done(scene, _TIME.format("now()"))

    return inject


async def _done(scene: Scene, statement: str) -> None:
    async def done() -> bool:
        with suppress(*AWAY):
            await scene.platform.rows(statement)
            return True
        return False

    await eventually_async(done, 30)


def broker(*, lost: float = 0.0, doubled: float = 0.0, delay_s: float = 0.0) -> Injection:
    async def inject(scene: Scene) -> None:
        moods = scene.moods
        moods.lost, moods.doubled, moods.delay_s = lost, doubled, delay_s
        await asyncio.sleep(2 * TROUBLE_S)
        moods.calm()

    return inject


def objects(mode: Mode) -> Injection:
    async def inject(scene: Scene) -> None:
        scene.objects.mode = mode
        await asyncio.sleep(TROUBLE_S)
        scene.objects.mode = "ok"

    return inject


def model(mode: str) -> Injection:
    async def inject(scene: Scene) -> None:
        async with scene.model.behaving(mode):
            await asyncio.sleep(TROUBLE_S)

    return inject


async def model_gone(scene: Scene) -> None:
    async with scene.model.away():
        await asyncio.sleep(TROUBLE_S)


def everything(number: signal.Signals) -> Injection:
    """The whole platform ends, and is started again on its data."""

    async def inject(scene: Scene) -> None:
        ending = psutil.Process(scene.platform.pid)
        scene.platform.remember()
        ending.send_signal(number)
        await eventually(lambda: not scene.platform.left_behind(), 60, "something outlives the platform")
        await scene.platform.up()

    return inject


ALL: Final[dict[str, Injection]] = {
    "kill -9 a function": signalled(signal.SIGKILL, FUNCTIONS),
    "kill -9 a worker": signalled(signal.SIGKILL, WORKERS),
    "SIGTERM a function": signalled(signal.SIGTERM, FUNCTIONS),
    "SIGTERM a worker": signalled(signal.SIGTERM, WORKERS),
    "stop a worker for longer than its lease": zombie,
    "kill -9 redis": service_killed("redis"),
    "flush redis": redis_flushed,
    "restart redis empty": redis_restarted_empty,
    "fill redis": redis_full,
    "kill -9 postgres": service_killed("postgres"),
    "restart postgres": postgres_restarted,
    "cut all connections": connections_cut,
    "fill the disk": disk_full,
    "set the clock forward": clock("2 hours"),
    "set the clock back": clock("-2 hours"),
    "lose a third of the events": broker(lost=0.33),
    "double half of the events": broker(doubled=0.5),
    "delay and reorder events": broker(delay_s=3.0, doubled=0.1),
    "object store fails": objects("failing"),
    "object store is slow": objects("slow"),
    "object store cuts off": objects("truncated"),
    "model: 429": model("429"),
    "model: 503": model("503"),
    "model: 413": model("413"),
    "model: time-out": model("slow"),
    "model: wrong dimension": model("wrong-dimension"),
    "model: NaN": model("nan"),
    "model: gone": model_gone,
    "kill -9 the emulator": everything(signal.SIGKILL),
    "SIGTERM the emulator": everything(signal.SIGTERM),
}

_TIME = "CREATE OR REPLACE FUNCTION platform_time() RETURNS timestamptz LANGUAGE sql STABLE AS $$SELECT {}$$"
_FULL = """
CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file: No space left on device'; END $$"""
_DISK_FULL: Final = (
    _FULL,
    *(
        f"CREATE TRIGGER full_{table} BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION disk_is_full()"
        for table in ("documents", "outbox", "chunks")
    ),
)


@asynccontextmanager
async def _redis(scene: Scene) -> AsyncIterator["redis.asyncio.Redis"]:
    socket = scene.platform.folder / "run" / "sockets" / "redis.sock"
    client = redis.asyncio.Redis(unix_socket_path=str(socket.resolve()))
    try:
        yield client
    finally:
        await client.aclose()
