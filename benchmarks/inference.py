"""Tokens a second and milliseconds a query: the bare model, and the endpoint around it, in one run.

    python -m benchmarks.inference

Prints, for all-MiniLM-L6-v2 on this machine's cores: 32 texts of 256 tokens in one call of the model; the same work as
16 concurrent requests through HTTP; a query of 12 tokens alone through the model, through HTTP, and through HTTP while
documents keep the model busy. Also the start, and the memory the endpoint took.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import numpy as np
import psutil

from demo.ports import free_port
from functions.inference.core import Tokens
from functions.inference.handler import Settings
from functions.inference.model import Model
from shared.settings import Environment

ROWS, LENGTH, QUERY, REQUESTS = 32, 256, 12, 16


def texts(rows: int, length: int) -> list[Tokens]:
    rng = np.random.default_rng(3)
    return [[int(token) for token in rng.integers(1996, 29000, length - 2)] for _ in range(rows)]


def milliseconds(work: Callable[[], object], times: int) -> float:
    def once() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    work()
    return statistics.median(once() for _ in range(times)) * 1000


def bare(settings: Settings) -> None:
    started = time.perf_counter()
    model = Model.open(settings.folder, settings.cache, threads=settings.threads)
    print(f"open the model, graph cached        {(time.perf_counter() - started) * 1000:8.0f} ms")
    documents = [model.frame.frame(tokens, truncate=False) for tokens in texts(ROWS, LENGTH)]
    query = [model.frame.frame(tokens, truncate=False) for tokens in texts(1, QUERY)]
    for rows in (ROWS, 8):
        taken = milliseconds(lambda rows=rows: model.embed(documents[:rows]), 5)  # type: ignore[misc]
        print(f"model, {rows:2} x {LENGTH} in one call        {rows * LENGTH / taken * 1000:8.0f} tokens/s")
    print(f"model, query of {QUERY}                  {milliseconds(lambda: model.embed(query), 50):8.2f} ms")


async def seconds(work: Coroutine[Any, Any, object]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def through_http(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as http:
        await until_ready(http)

        async def post(inputs: list[Tokens]) -> None:
            (await http.post("/v1/embeddings", json={"input": inputs, "encoding_format": "base64"})).raise_for_status()

        async def documents() -> None:
            await asyncio.gather(*(post(texts(ROWS // 4, LENGTH)) for _ in range(REQUESTS)))

        query = texts(1, QUERY)
        await post(query)
        taken = await seconds(documents())
        total = REQUESTS * ROWS // 4 * LENGTH
        print(f"endpoint, {REQUESTS} requests of {ROWS // 4} x {LENGTH}    {total / taken:8.0f} tokens/s")
        alone = [await seconds(post(query)) for _ in range(50)]
        print(f"endpoint, query alone               {statistics.median(alone) * 1000:8.2f} ms")
        busy = asyncio.create_task(documents())
        behind = []
        while not busy.done():
            behind.append(await seconds(post(query)) * 1000)
        print(f"endpoint, query beside documents    {statistics.median(behind):8.2f} ms, worst {max(behind):.0f} ms")


async def until_ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                if (await http.get("/readyz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.02)


def served() -> None:
    """The endpoint as it is deployed: a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "functions.inference.main"]
    with subprocess.Popen(command, env=os.environ | {"PORT": str(port)}) as process:
        try:
            asyncio.run(through_http(f"http://127.0.0.1:{port}"))
            memory = psutil.Process(process.pid).memory_info().rss
            print(f"endpoint, memory after that         {memory / 2**20:8.0f} MB")
        finally:
            process.terminate()


def main() -> None:
    settings = Settings.read(Environment(os.environ))
    print(f"{settings.model}, {settings.threads} threads, batches of {settings.batch_tokens} tokens")
    bare(settings)
    served()


if __name__ == "__main__":
    main()
