"""`sluice status`: what runs, and whether it is ready."""

import argparse
import http.client
import json
import re
import statistics
import sys
from typing import Any

from cli import running, target
from cli.fault import in_words
from cli.observing import so_far
from cli.record import in_words as recorded
from cli.text import clean, plural

_WAITING = re.compile(r'^sluice_ready_documents\{stage="(\w+)"\} (\d+)', re.MULTILINE)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("status", help="say what is running, and whether it is ready")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """0 when a platform runs, ready or not."""
    aim, found = target.running_here(args)
    if found is None:
        return _nothing(args, aim)
    state = look(found)
    if args.json:
        print(json.dumps(state))
    else:
        _print(state)
    return 0


def look(found: running.Running) -> dict[str, Any]:
    """What the platform says of itself. Whatever does not answer is not ready."""
    said = said_by(found.port)
    functions = said.get("functions", [])
    metrics = (fetch(found.port, "/function/gateway/metrics") or b"").decode()
    return {
        "running": True,
        "ready": all(fetch(found.port, path) is not None for path in _readiness(functions)),
        "pid": found.pid,
        "port": found.port,
        "data_dir": found.data_dir,
        "functions": [_function(one) for one in sorted(functions, key=lambda one: str(one["name"]))],
        "recording": said.get("recording", {"recording": False}),
        "faults": said.get("faults", []),
        "notices": said.get("notices", []),
        "observing": said.get("observing"),
        "queues": {stage: int(count) for stage, count in _WAITING.findall(metrics)},
    }


def said_by(port: int) -> dict[str, Any]:
    """What the emulator says of itself; nothing when it does not answer."""
    said: dict[str, Any] = json.loads(fetch(port, "/status") or "{}")
    return said


def _readiness(functions: list[dict[str, Any]]) -> list[str]:
    """`sluice emulate` may run without a gateway."""
    return ["/healthz", *("/ready" for one in functions if one["name"] == "gateway")]


def fetch(port: int, path: str, *, timeout_s: float = 10.0) -> bytes | None:
    """The body of a good answer, else None."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        return body if 200 <= response.status < 300 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _function(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": said["name"],
        "replicas": len(said["replicas"]),
        "ready": said["ready"],
        "in_flight": said["in_flight"],
        "invocations": said["invocations"],
        "reason": said["reason"],
        "cold_starts": said["cold_starts"],
        "reloaded": said["reloaded"],
    }


def _nothing(args: argparse.Namespace, aim: target.Target) -> int:
    if args.json:
        print(json.dumps({"running": False, "ready": False, "data_dir": str(aim.data_dir)}))
    else:
        print(f"sluice: {target.absence(args, aim)}. Start one with `sluice up`.", file=sys.stderr)
    return 1


def _replicas(function: dict[str, Any]) -> str:
    ready, all_of_them = function["ready"], function["replicas"]
    count = plural(ready, "replica") if ready == all_of_them else f"{ready} of {plural(all_of_them, 'replica')} ready"
    return (count if all_of_them else "at zero") + (f"  ({function['reason']})" if function["reason"] else "")


def _cold_start(function: dict[str, Any]) -> str:
    """The last one, and what they take on average where there were several."""
    starts = function["cold_starts"]
    if not starts:
        return ""
    last = starts[-1]
    byte = f", first byte {last['first_byte_ms']:.0f} ms" if last["first_byte_ms"] is not None else ""
    mean = statistics.fmean(start["ready_ms"] for start in starts)
    average = f"; mean of the last {len(starts)}: ready {mean:.0f} ms" if len(starts) > 1 else ""
    said = f"spawn {last['spawn_ms']:.0f} ms, ready {last['ready_ms']:.0f} ms{byte}{average}"
    return f"    cold start ({last['how']}): {said}"


def _print(state: dict[str, Any]) -> None:
    ready = "ready" if state["ready"] else "not ready yet"
    print(f"{ready} on port {state['port']}, pid {state['pid']}, data in {state['data_dir']}")
    for function in state["functions"]:
        print(f"  {function['name']:<16} {_replicas(function)}")
        if start := _cold_start(function):
            print(start)
        if function["reloaded"]:
            print(f"    {clean(function['reloaded'])}")
    if state["recording"]["recording"]:
        print(f"  {recorded(state['recording'])}")
    for fault in state["faults"]:
        print(f"  fault {in_words(fault)}")
    for notice in state["notices"]:
        print(f"  note: {clean(notice)}")
    print(f"  {so_far(state['observing'])}")
    for stage, count in state["queues"].items():
        print(f"  waiting to {stage}: {plural(count, 'document')}")
