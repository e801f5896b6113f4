"""Cold starts: from spawn to the first answer, each function beside a bare uvicorn application, interleaved in one run.

The first answer of a function is that to a signed event it can act on at once, with its resources open: a tick for the
orchestrator, a wake-up for scrape and embed, a chunk request of a small text for chunk.
Run: python -m benchmarks.cold_start
"""

import argparse
import asyncio
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from demo.ports import free_port
from emulator.services import Services
from shared.contracts.envelope import to_event
from shared.contracts.payload import Payload
from shared.contracts.stages import ChunkRequested, EmbedRequested, PipelineTick, ScrapeRequested
from shared.events.codec import encode_binary
from shared.events.signing import Signer
from shared.objects import ObjectStore
from shared.store.migrate import migrate

KEY = b"a key for benchmarks only"
BARE = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="sluice-cold-") as folder:
        data = Path(folder)
        async with Services.start(data) as services:
            await migrate(services.database_url)
            env = _environment(data, services.database_url, services.redis_url, services.object_store_url)
            requests = await _requests(services.object_store_url)
            (data / "bare.py").write_text(BARE)
            samples: dict[str, list[float]] = {name: [] for name in ("bare uvicorn", *requests)}
            for _ in range(rounds):
                samples["bare uvicorn"].append(
                    _first_answer(
                        ["-m", "uvicorn", "bare:app", "--no-access-log", "--app-dir", folder, "--port"], env, None
                    )
                )
                for name, payload in requests.items():
                    samples[name].append(_first_answer(["-m", f"functions.{name}.main"], env, payload))
    _report(samples, rounds)


def _report(samples: dict[str, list[float]], rounds: int) -> None:
    print(f"spawn to first answer, {rounds} rounds, interleaved; the ratio compares medians\n")
    bare = statistics.median(samples["bare uvicorn"])
    print(f"{'process':<16}{'median ms':>10}{'min ms':>10}{'ratio':>8}")
    for name, seconds in samples.items():
        median = statistics.median(seconds)
        print(f"{name:<16}{median * 1000:>10.0f}{min(seconds) * 1000:>10.0f}{median / bare:>8.2f}")


async def _requests(object_store_url: str) -> dict[str, Payload]:
    objects = ObjectStore.open(object_store_url, os.environ)
    corpus = uuid4()
    text = await objects.put(corpus, "text", b"A lock lifts boats. " * 40)
    chunk = ChunkRequested(
        job_id=uuid4(), document_id=uuid4(), token=1, corpus_id=corpus, text=text, max_tokens=250, overlap_tokens=50
    )
    return {
        "orchestrator": PipelineTick(),
        "scrape": ScrapeRequested(reason="submitted"),
        "chunk": chunk,
        "embed": EmbedRequested(reason="advanced"),
    }


def _first_answer(command: list[str], env: dict[str, str], payload: Payload | None) -> float:
    port = free_port()
    arguments = [*command, str(port)] if payload is None else command
    headers, body = ([], b"") if payload is None else _signed(payload)
    started = time.perf_counter()
    with _running([sys.executable, *arguments], {**env, "PORT": str(port)}):
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("POST", "/", body, dict(headers))
                status = connection.getresponse().status
            except OSError:
                time.sleep(0.002)
                continue
            if status == 503:
                time.sleep(0.002)
                continue
            elapsed = time.perf_counter() - started
            assert status in (200, 204), f"{command}: {status}"
            return elapsed


def _signed(payload: Payload) -> tuple[list[tuple[str, str]], bytes]:
    event = Signer([KEY]).sign(to_event(payload, source="/benchmark", cause=None, time=datetime.now(UTC)))
    headers, body = encode_binary(event)
    return [*headers, ("Prefer", "reply")], body


@contextmanager
def _running(command: list[str], env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _environment(data: Path, database_url: str, redis_url: str, object_store_url: str) -> dict[str, str]:
    secrets = data / "secrets"
    secrets.mkdir()
    (secrets / "event-signing-key").write_bytes(KEY)
    (secrets / "caller-hash-key").write_bytes(KEY)
    return {
        "PATH": os.environ["PATH"],
        "SECRETS_DIR": str(secrets),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "OBJECT_STORE_URL": object_store_url,
        "EVENT_SINK": "broker",
        "BROKER_URL": "http://127.0.0.1:9/none",
        "FUNCTION_URL_TEMPLATE": "http://127.0.0.1:9/{name}",
        "MEMBERSHIP_URL": "http://127.0.0.1:9",
        "EMBEDDING_API_BASE_URL": "http://127.0.0.1:9/v1",
        "EMBEDDING_MODEL": "all-MiniLM-L6-v2",
        "EMBEDDING_DIMENSION": "384",
    }


if __name__ == "__main__":
    asyncio.run(main())
