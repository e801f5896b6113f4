"""What profiling costs: `python -m benchmarks.profiling`. Chunks the same text in turns with the sampler on and off.

Prints the processor time of both (this process's, the profiler's threads included), their ratio, and the difference as
a share of a core: the sampler goes by the clock, so where others run, too, it samples the same work more. And what
starting and ending cost once a process. A server of the benchmark's own takes the profiles.
"""

import argparse
import asyncio
import os
import statistics
import time

from functions.chunk.spans import Sizes
from functions.chunk.tokens import Chunker
from observe import profiling
from observe.context import TraceContext, entered
from shared.model_files import tokenizer_file
from shared.settings import Environment
from tests.fakes.pyroscope import pyroscope_server

SPAN = TraceContext("a" * 32, "b" * 16)


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="of each kind")
    parser.add_argument("--documents", type=int, default=20, help="a round")
    args = parser.parse_args()
    chunker = Chunker.open(tokenizer_file(Environment(os.environ)))
    text = " ".join(f"Gate {n} of the lock lets water in, and the boat rises by {n % 7} feet." for n in range(600))
    off, on, walls, starts, ends = [], [], [], [], []
    async with pyroscope_server() as server:
        for _ in range(args.rounds):
            profiling.setup("benchmark", {})
            off.append(await _round(chunker, text, args.documents))
            profiling.setup("benchmark", {"PYROSCOPE_SERVER_ADDRESS": server.url})
            starts.append(_cpu_of(_start))
            began = time.perf_counter()
            on.append(await _round(chunker, text, args.documents))
            walls.append(time.perf_counter() - began)
            ends.append(_cpu_of(profiling.stop))
    print(f"off   {statistics.median(off):.3f} s of processor time for {args.documents} documents")
    print(f"on    {statistics.median(on):.3f} s")
    print(f"ratio {statistics.median(b / a for a, b in zip(off, on, strict=True)):.3f} (median of {args.rounds} pairs)")
    shares = [(b - a) / wall for a, b, wall in zip(off, on, walls, strict=True)]
    print(f"share {statistics.median(shares):.1%} of a core while it samples")
    print(
        f"start {statistics.median(starts) * 1000:.0f} ms, end {statistics.median(ends) * 1000:.0f} ms, once a process"
    )
    print(f"{len(server.profiles)} profiles arrived, with {len(server.samples)} kinds of stacks")


async def _round(chunker: Chunker, text: str, documents: int) -> float:
    began = time.process_time()
    for _ in range(documents):
        with entered(SPAN):
            await profiling.attributed(_chunk(chunker, text))
    return time.process_time() - began


async def _chunk(chunker: Chunker, text: str) -> None:
    await asyncio.to_thread(profiling.in_thread(chunker.chunk), text, Sizes(256, 32))


def _start() -> None:
    with entered(SPAN):
        profiling.in_thread(len)


def _cpu_of(call: object) -> float:
    assert callable(call)
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    asyncio.run(main())
