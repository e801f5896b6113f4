"""What the emulator costs a call and an event, beside the same function asked directly.

The function is `benchmarks.echo` under our own ASGI host; the replica asked directly is the very process that answers
behind the emulator. Rounds are interleaved and medians compared, since machines are never quiet.
Bounds: a quarter of the replica's own rate through the proxy, a tenth through one durable trigger, at one connection
an added p50 of at most twice the replica's own, and a thousand functions at zero in 200 MB and no process.
Run: python -m benchmarks.proxy [--gateway PATH of an OpenFaaS gateway]
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks import echo
from benchmarks.load import Request, at_once, one_by_one
from demo.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
BODY = b"x" * 256
EVENT = (("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/benchmark"), ("ce-type", "t"))
STACK = f"""
version: 1.0
provider: {{name: openfaas}}
functions:
  echo:
    fprocess: {sys.executable} -m benchmarks.echo
    environment: {{PYTHONPATH: {ROOT}}}
    labels: {{com.openfaas.scale.min: "1", com.openfaas.scale.max: "1"}}
"""
TRIGGER = """
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: to-echo}
spec:
  broker: default
  subscriber: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: echo}, uri: /event}
"""
IDLE_FUNCTIONS = 1000
READY_S = 60.0


@dataclass
class Samples:
    """Of one way to the function: rates at 32 connections, and the seconds of calls at 1 and at 32.

    `cpu_s` is what the process in between used for the calls at 32, which other work on the machine disturbs least.
    """

    rates: list[float] = field(default_factory=list)
    alone_s: list[float] = field(default_factory=list)
    crowded_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load at 32 connections, each round and way")
    parser.add_argument("--gateway", type=Path, help="the program of a real OpenFaaS gateway, to be measured too")
    parser.add_argument("--gateway-port", type=int, default=8080, help="where it listens: it takes no other (8080)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluice-proxy-") as folder, _emulator(Path(folder), STACK) as (port, pid):
        replica = _replica_port(port)
        ways = {
            "replica": f"http://127.0.0.1:{replica}{echo.ECHO}",
            "emulator": f"http://127.0.0.1:{port}{echo.BEHIND_A_GATEWAY}",
        }
        with _gateway(options.gateway, options.gateway_port, replica) as (address, gateway):
            if gateway:
                ways["gateway"] = f"{address}{echo.BEHIND_A_GATEWAY}"
            calls = {name: Request.post(url, BODY) for name, url in ways.items()}
            between = {"emulator": psutil.Process(pid), **({"gateway": psutil.Process(gateway)} if gateway else {})}
            samples = await _measure(calls, between, options.rounds, options.seconds)
        _report(samples)
        await _broker(port, replica, options.rounds, options.seconds)
    _idle_functions()


async def _measure(
    calls: dict[str, Request], between: dict[str, psutil.Process], rounds: int, seconds: float
) -> dict[str, Samples]:
    samples = {name: Samples() for name in calls}
    for request in calls.values():
        one_by_one(request, 200)
        await at_once(request, 32, 0.5)
    for _ in range(rounds):
        for name, request in calls.items():
            of = samples[name]
            of.alone_s += one_by_one(request, 500)
            before = _cpu_s(between.get(name))
            rate, took = await at_once(request, 32, seconds)
            of.cpu_s += _cpu_s(between.get(name)) - before
            of.rates.append(rate)
            of.crowded_s += took
    return samples


def _cpu_s(process: psutil.Process | None) -> float:
    times = process.cpu_times() if process else None
    return times.user + times.system if times else 0.0


def _report(samples: dict[str, Samples]) -> None:
    """`added` is to the p50; `x own` how many times the replica's own that is; `of own` the part of its rate."""
    own = samples["replica"]
    own_alone, own_crowded = _ms(own.alone_s)[0], _ms(own.crowded_s)[0]
    print(
        "milliseconds a call over 1 and over 32 connections; calls a second at 32, and CPU of the process in between\n"
    )
    columns = ("", "1: p50", "p99", "added", "x own", "32: p50", "p99", "added", "rate", "of own", "cpu us")
    print("".join(f"{column:>9}" for column in columns))
    for name, of in samples.items():
        alone, alone_p99 = _ms(of.alone_s)
        crowded, crowded_p99 = _ms(of.crowded_s)
        print(
            f"{name:>9}{alone:>9.3f}{alone_p99:>9.3f}{alone - own_alone:>9.3f}{alone / own_alone - 1:>9.2f}"
            f"{crowded:>9.2f}{crowded_p99:>9.2f}{crowded - own_crowded:>9.2f}{of.rate:>9.0f}{of.rate / own.rate:>9.1%}"
            f"{of.cpu_s / len(of.crowded_s) * 1e6:>9.0f}"
        )


def _ms(seconds: list[float]) -> tuple[float, float]:
    """p50 and p99."""
    ordered = sorted(seconds)
    return statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.99)] * 1000


async def _broker(port: int, replica: int, rounds: int, seconds: float) -> None:
    """Until the last of them is delivered; the replica's own rate is for the same event, posted straight to it."""
    url = f"http://127.0.0.1:{port}"
    straight = Request.post(f"http://127.0.0.1:{replica}{echo.EVENT}", BODY, EVENT, status=204)
    through = Request.post(f"{url}/broker/default/default", BODY, EVENT, status=202)
    own, rates = [], []
    for _ in range(rounds):
        own.append((await at_once(straight, 32, seconds))[0])
        before, began = _delivered(url), time.perf_counter()
        _, took = await at_once(through, 32, seconds)
        _until_delivered(url, before + len(took))
        rates.append(len(took) / (time.perf_counter() - began))
    rate, replica_rate = statistics.median(rates), statistics.median(own)
    print(f"\nevents: {rate:.0f} a second through one durable trigger, {rate / replica_rate:.1%} of {replica_rate:.0f}")


def _until_delivered(url: str, count: int) -> None:
    while _delivered(url) < count:
        time.sleep(0.02)


def _delivered(url: str) -> int:
    return int(_json(f"{url}/status")["broker"]["trigger default/to-echo"]["delivered"])


def _idle_functions() -> None:
    names = "\n".join(f"  f{n}: {{fprocess: sleep 600}}" for n in range(IDLE_FUNCTIONS))
    stack = f"version: 1.0\nprovider: {{name: openfaas}}\nfunctions:\n{names}\n"
    with tempfile.TemporaryDirectory(prefix="sluice-idle-") as folder, _emulator(Path(folder), stack) as (_, pid):
        process = psutil.Process(pid)
        before = process.cpu_times()
        time.sleep(5)
        after = process.cpu_times()
        cpu = (after.user + after.system - before.user - before.system) / 5
        megabytes = process.memory_info().rss / 1e6
        children = len(process.children(recursive=True))
        print(f"\n{IDLE_FUNCTIONS} functions at zero: {megabytes:.0f} MB, {children} processes, {cpu:.1%} of a core")


@contextmanager
def _emulator(folder: Path, stack: str) -> Iterator[tuple[int, int]]:
    """A process of its own, ready; its port and pid."""
    (folder / "stack.yml").write_text(stack)
    (folder / "manifests").mkdir()
    (folder / "manifests" / "trigger.yaml").write_text(TRIGGER if "echo:" in stack else "")
    port = free_port()
    command = [sys.executable, "-m", "cli.main", "emulate", "--stack", str(folder / "stack.yml")]
    command += ["--manifests", str(folder / "manifests"), "--data-dir", str(folder / "data"), "--port", str(port)]
    with _running(command, cwd=ROOT, env=dict(os.environ)) as process:
        _until_answered(f"http://127.0.0.1:{port}/healthz", process)
        yield port, process.pid


@contextmanager
def _gateway(program: Path | None, port: int, replica: int) -> Iterator[tuple[str, int]]:
    """The real one takes the replica for its provider, which answers on the path that a gateway asks for."""
    if program is None:
        yield "", 0
        return
    _refuse_taken(port)
    env = {
        "functions_provider_url": f"http://127.0.0.1:{replica}/",
        "basic_auth": "false",
        "scale_from_zero": "false",
        "read_timeout": "60s",
        "write_timeout": "60s",
        "upstream_timeout": "55s",
    }
    with _running([str(program)], cwd=ROOT, env=env) as process:
        address = f"http://127.0.0.1:{port}"
        _until_answered(f"{address}/healthz", process)
        yield address, process.pid


def _refuse_taken(port: int) -> None:
    """Somebody else's gateway would be measured in its place."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise SystemExit(f"port {port}: {exc.strerror}") from exc


@contextmanager
def _running(command: list[str], *, cwd: Path, env: dict[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    """What it says is thrown away: nobody reads a pipe here, and who writes into a full one stands still."""
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def _until_answered(url: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{url} does not answer")


def _replica_port(port: int) -> int:
    (function,) = _json(f"http://127.0.0.1:{port}/status")["functions"]
    return int(function["replicas"][0]["port"])


def _json(url: str) -> Any:  # noqa: ANN401
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


if __name__ == "__main__":
    asyncio.run(main())
