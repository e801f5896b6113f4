"""Cold starts: from nothing to the first byte, each function in three ways and beside a bare uvicorn, interleaved.

`plain` is `python -m functions.<name>.main`, started and asked until it answers. `exec` and `template` are the same
through the emulator, from zero replicas: a request comes in, is held while the replica starts, and gets its first byte.
The answer of a function is that to a signed event it can act on at once, with its resources open: a tick for the
orchestrator, a wake-up for scrape and embed, a chunk request of a small text for chunk.
Run: python -m benchmarks.cold_start [--only chunk …] [--rounds 10]
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
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import aiohttp

from demo.ports import free_port
from emulator.app import Emulator, EmulatorSettings
from emulator.cold_starts import How
from emulator.manifests import read_stack
from emulator.services import Services
from shared.contracts.envelope import to_event
from shared.contracts.payload import Payload
from shared.contracts.stages import ChunkRequested, EmbedRequested, PipelineTick, ScrapeRequested
from shared.events.codec import encode_binary
from shared.events.signing import Signer
from shared.objects import ObjectStore
from shared.store.migrate import migrate

KEY = b"a key for benchmarks only"
ROOT = Path(__file__).resolve().parents[1]
_SECRETS = ("event-signing-key", "caller-hash-key")
BARE = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""


WAYS: tuple[How, ...] = ("exec", "template")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these functions alone")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluice-cold-") as folder:
        data = Path(folder)
        async with Services.start(data) as services:
            await migrate(services.database_url)
            env = _environment(data, services.database_url, services.redis_url, services.object_store_url)
            requests = await _requests(services.object_store_url)
            chosen = {name: requests[name] for name in args.only or requests}
            (data / "bare.py").write_text(BARE)
            _report(await _measure(data, env, chosen, args.rounds), args.rounds)


async def _measure(
    data: Path, env: dict[str, str], requests: dict[str, Payload], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Milliseconds by function and way. What could have started something in the first round is not counted."""
    bare = ["-m", "uvicorn", "bare:app", "--no-access-log", "--app-dir", str(data), "--port"]
    samples: dict[str, dict[str, list[float]]] = {"bare uvicorn": {"plain": []}}
    samples |= {name: {way: [] for way in ("plain", *WAYS)} for name in requests}
    async with AsyncExitStack() as stack:
        emulators = {way: await stack.enter_async_context(_emulator(data, env, requests, way)) for way in WAYS}
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for number in range(rounds + 1):
            first: dict[str, dict[str, float]] = {
                "bare uvicorn": {"plain": await asyncio.to_thread(_first_answer, bare, env, None)}
            }
            for name, payload in requests.items():
                command = ["-m", f"functions.{name}.main"]
                first[name] = {"plain": await asyncio.to_thread(_first_answer, command, env, payload)}
                for way, emulator in emulators.items():
                    first[name][way] = await _through(emulator, session, name, payload)
                    await _to_zero(emulator, name)
            for name, by_way in first.items() if number else ():
                for column, seconds in by_way.items():
                    samples[name][column].append(seconds * 1000)
    return samples


@asynccontextmanager
async def _emulator(data: Path, env: dict[str, str], requests: dict[str, Payload], way: How) -> AsyncIterator[Emulator]:
    """Its functions leave as soon as they have answered."""
    folder = data / way
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "secrets").symlink_to(data / "secrets")
    extra = {name: value for name, value in env.items() if name not in ("PATH", "SECRETS_DIR")}
    stack = read_stack(ROOT / "stack.yml", ROOT / "resource-classes.yml", os.environ)
    specs = [replace(spec, secrets=_SECRETS) for spec in stack if spec.name in requests]
    settings = EmulatorSettings(
        stack_file=ROOT / "stack.yml", data_dir=folder / "data", port=0, extra_env=extra, cold_start=way
    )
    async with Emulator(settings, specs=specs, gate=_never) as emulator:
        yield emulator


async def _never(_: str) -> bool:
    return False


async def _through(emulator: Emulator, session: aiohttp.ClientSession, name: str, payload: Payload) -> float:
    """From the request until the first byte of its answer."""
    headers, body = _signed(payload)
    url = f"{emulator.settings.base_url}/function/{name}"
    started = time.perf_counter()
    async with session.post(url, data=body, headers=headers) as response:
        elapsed = time.perf_counter() - started
        assert response.status in (200, 204), f"{name}: {response.status} {await response.text()}"
    return elapsed


async def _to_zero(emulator: Emulator, name: str) -> None:
    """And until the next start can be as fast as it will ever be."""
    revision, launcher = emulator.fleet.revisions[name], emulator.launcher
    revision.scale_to(0)
    warms = emulator.settings.cold_start == "template"
    while revision.replicas or (warms and not launcher.templates.ready(name)):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def _report(samples: dict[str, dict[str, list[float]]], rounds: int) -> None:
    print(f"from nothing to the first byte, median and least of {rounds} rounds in ms; ratios compare medians")
    print("each function's ratios are to its own plain start, the last column to the bare uvicorn\n")
    print(
        f"{'process':<14}{'plain':>12}{'exec':>12}{'template':>12}{'exec/plain':>12}{'template/plain':>16}{'plain/bare':>12}"
    )
    bare = statistics.median(samples["bare uvicorn"]["plain"])
    for name, by_way in samples.items():
        median = {str(way): statistics.median(values) for way, values in by_way.items()}
        cells = [f"{median[way]:.0f} ({min(by_way[way]):.0f})" if way in median else "" for way in ("plain", *WAYS)]
        ratios = [f"{median[way] / median['plain']:.2f}" if way in median else "" for way in WAYS]
        print(_row(name, *cells, *ratios, f"{median['plain'] / bare:.2f}"))


def _row(name: str, *cells: str) -> str:
    return f"{name:<14}" + "".join(f"{cell:>16}" for cell in cells)


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
