"""One script of Redis, called by everything in a process at once: calls that meet leave together, in one round trip."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from observe import tracing
from observe.vocabulary import Attributes
from shared.errors import Unavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

TIMEOUT_S: Final = 1.0
Arguments: TypeAlias = Sequence[str | int]
_REDIS: Final[Attributes] = {"db.system.name": "redis", "db.operation.name": "EVALSHA"}
_Waiting: TypeAlias = "tuple[Arguments, asyncio.Future[str]]"


class ScriptLane:
    """Who finds the lane free goes at once, alone. What comes meanwhile gathers, and goes as one batch after it."""

    def __init__(self, redis: "Redis", script: str, *, keys: int, timeout_s: float = TIMEOUT_S) -> None:
        self._redis = redis
        self._script = script
        self._keys = keys
        self._timeout_s = timeout_s
        self._sha = ""
        self._taken = False
        self._waiting: list[_Waiting] = []
        self._batches: asyncio.Task[None] | None = None

    async def call(self, arguments: Arguments) -> str:
        """The script's answer. Raises `Unavailable` when Redis gives none in time."""
        if self._taken:
            answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._waiting.append((arguments, answer))
            with tracing.span("redis EVALSHA", _REDIS, kind="client"):
                return await answer
        self._taken = True
        try:
            with tracing.span("redis EVALSHA", _REDIS, kind="client"):
                return (await self._answers([arguments]))[0]
        finally:
            self._taken = bool(self._waiting)
            if self._waiting:
                self._batches = asyncio.create_task(self._send_waiting(), name="script-lane")

    async def close(self) -> None:
        if self._batches is not None:
            self._batches.cancel()
            await asyncio.wait([self._batches])
        _give_up(self._waiting)
        await self._redis.aclose()

    async def _send_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                answers: Sequence[str | Unavailable] = await self._answers([arguments for arguments, _ in batch])
            except Unavailable as error:
                answers = [error] * len(batch)
            except asyncio.CancelledError:
                _give_up(batch)
                raise
            for (_, waiting), answer in zip(batch, answers, strict=True):
                if waiting.done():  # whoever asked has gone
                    continue
                if isinstance(answer, Unavailable):
                    waiting.set_exception(answer)
                else:
                    waiting.set_result(answer)
        self._taken = False

    async def _answers(self, calls: list[Arguments]) -> list[str]:
        from redis.exceptions import NoScriptError, RedisError  # noqa: PLC0415

        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    return await self._run(calls)
                except NoScriptError:  # it was restarted, or flushed: then nothing of the batch was done
                    self._sha = ""
                    return await self._run(calls)
        except (RedisError, OSError, TimeoutError) as exc:
            raise Unavailable("limiter_unavailable", f"Redis does not answer: {exc or 'too slow'}") from exc

    async def _run(self, calls: list[Arguments]) -> list[str]:
        if not self._sha:
            self._sha = await self._redis.script_load(self._script)
        commands = [("EVALSHA", self._sha, self._keys, *arguments) for arguments in calls]
        if len(commands) == 1:
            return [await self._redis.execute_command(*commands[0])]  # type: ignore[no-untyped-call]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[str] = await pipeline.execute()
        return answers


def _give_up(calls: Sequence[_Waiting]) -> None:
    for _, answer in calls:
        answer.cancel()
