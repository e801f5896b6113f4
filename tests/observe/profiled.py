"""Programs to be profiled, each in a process of its own: `python -m tests.observe.profiled NAME`. They print JSON."""

import asyncio
import json
import os
import sys
import time

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from observe import profiling, tracing
from observe.context import TraceContext

BUSY_S = 0.6


def burn_first(seconds: float) -> None:
    _burn(seconds)


def burn_second(seconds: float) -> None:
    _burn(seconds)


def _burn(seconds: float) -> None:
    """Of this thread's own processor time, so that a busy machine takes nothing away."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(1000))


FIRST, SECOND = TraceContext("1" * 32, "1" * 16), TraceContext("2" * 32, "2" * 16)


def interleaved() -> object:
    """Two spans on one thread, in turns of 20 ms, and what belongs to none."""

    async def work(parent: TraceContext, burn: object) -> str:
        with tracing.span("work", parent=parent) as span:
            await profiling.attributed(_in_turns(burn))
            return span.context.span_id

    async def both() -> list[str]:
        found = await asyncio.gather(work(FIRST, burn_first), work(SECOND, burn_second))
        _burn(BUSY_S)
        return list(found)

    return asyncio.run(both())


async def _in_turns(burn: object) -> None:
    assert callable(burn)
    for _ in range(int(BUSY_S / 0.02)):
        burn(0.02)
        await asyncio.sleep(0)


def in_a_thread() -> object:
    async def work() -> str:
        with tracing.span("work", parent=FIRST) as span:
            await asyncio.to_thread(profiling.in_thread(burn_first), BUSY_S)
            return span.context.span_id

    return asyncio.run(work())


def forked() -> object:
    """As a worker does it: the parent only forks, each child profiles and says goodbye."""

    async def work() -> None:
        with tracing.span("work", parent=FIRST):
            await profiling.attributed(_in_turns(burn_first))

    statuses = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            asyncio.run(work())
            os._exit(0 if profiling.stop() else 1)
        statuses.append(os.waitpid(child, 0)[1])
    return {"statuses": statuses, "parent_has_it": "pyroscope" in sys.modules}


def stopped_late() -> object:
    """How long the end may take where nobody takes the profiles, and that work was done all the same."""
    asyncio.run(_in_span())
    began = time.monotonic()
    left = profiling.stop(0.5)
    return {"left": left, "seconds": time.monotonic() - began}


async def _in_span() -> None:
    with tracing.span("work", parent=FIRST):
        await profiling.attributed(_in_turns(burn_first))


def exported() -> object:
    """Which spans carry the attribute that links them to their profile."""
    collected = InMemorySpanExporter()
    tracing.setup("profiled", {}, collected)

    async def both() -> None:
        with tracing.span("work", kind="consumer"):
            await profiling.attributed(_in_turns(burn_first))
        with tracing.span("other", kind="consumer"):
            pass

    asyncio.run(both())
    tracing.flush()
    found = collected.get_finished_spans()
    return {span.name: _own_id(span) == (span.attributes or {}).get("pyroscope.profile.id") for span in found}


def _own_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return format(span.context.span_id, "016x")


PROGRAMS = {each.__name__: each for each in (interleaved, in_a_thread, forked, stopped_late, exported)}

if __name__ == "__main__":
    tracing.setup("profiled", os.environ)
    profiling.setup("profiled", os.environ)
    said = PROGRAMS[sys.argv[1]]()
    profiling.stop()
    print(json.dumps(said))
