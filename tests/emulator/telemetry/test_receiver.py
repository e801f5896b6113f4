"""An emulator that takes traces: from its replicas, and from whoever reaches its port."""

import asyncio
import gzip
import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from google.rpc.status_pb2 import Status

from emulator.app import Emulator
from emulator.telemetry.bounds import TRACES_FILE, Bounds
from emulator.telemetry.intake import Intake
from emulator.telemetry.kept import KeptTraces
from emulator.telemetry.measures import SpanCounts
from emulator.telemetry.receiver import MAX_BODY_BYTES, MAX_UNPACKED_BYTES
from observe.exposition import exposition
from observe.metrics import Registry
from observe.received import Span
from tests.emulator.conftest import Platform, Start, eventually
from tests.emulator.telemetry.made import TRACE, as_json, protobuf, span
from tests.numbers import Numbers, numbers

LAST_WORDS = f"""
import http.server, json, os, signal, sys, urllib.request
def goodbye(*_):
    body = {as_json(span("goodbye"))!r}
    to = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
    urllib.request.urlopen(urllib.request.Request(to, body, {{"Content-Type": "application/json"}})).read()
    os._exit(0)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
signal.signal(signal.SIGTERM, goodbye)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
CAME = "sluice_emulator_spans_total"
OUTCOMES = ("kept", "too_many", "trace_full", "not_written", "no_span")
NONE = dict.fromkeys(OUTCOMES, 0)
PROTOBUF, JSON = "application/x-protobuf", "application/json"


@pytest.fixture
async def observing(start: Start) -> Platform:
    return await start({"echo": {}}, observe=True)


async def send(platform: Platform, body: bytes, content_type: str = PROTOBUF, **headers: str) -> tuple[int, bytes]:
    said = {"Content-Type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with platform.session.post(platform.url("/v1/traces"), data=io.BytesIO(body), headers=said) as response:
        assert response.headers["Content-Type"] == (content_type if content_type in (PROTOBUF, JSON) else JSON)
        return response.status, await response.read()


async def kept(platform: Platform, trace_id: str = TRACE) -> list[Span]:
    """What is on disk once there is something."""

    def look() -> list[Span]:
        traces = KeptTraces.of(platform.emulator.settings.data_dir)
        assert traces is not None
        with traces:
            return traces.spans(trace_id)

    found: list[Span] = await eventually(look)
    return found


async def test_spans_are_taken_in_every_form_of_the_specification(observing: Platform) -> None:
    forms: list[tuple[bytes, dict[str, Any]]] = [
        (protobuf(span("a")), {}),
        (as_json(span("b")), {"content_type": f"{JSON}"}),
        (gzip.compress(protobuf(span("c"))), {"Content_Encoding": "gzip"}),
        (gzip.compress(as_json(span("d"))), {"content_type": JSON, "Content_Encoding": "gzip"}),
    ]
    for body, how in forms:
        status, answer = await send(observing, body, **how)
        assert (status, answer in (b"", b"{}")) == (200, True)
    await eventually(
        lambda: observing.emulator.status()["observing"] == {"kept": 4, "dropped": 0, "waiting": 0, "ratio": 1.0}
    )
    assert {each.name for each in await kept(observing)} == {"a", "b", "c", "d"}
    await send(observing, as_json(span("e"), span("")), JSON)
    await eventually(lambda: observing.emulator.status()["observing"]["kept"] == 5)
    found = numbers((await observing.get("/metrics"))[1])
    assert {outcome: found(CAME, outcome=outcome) for outcome in OUTCOMES} == {**NONE, "kept": 5, "no_span": 1}
    assert found("sluice_emulator_spans_waiting") == 0


@pytest.mark.parametrize(
    ("body", "how", "status", "sentence"),
    [
        (b"\xff\xff", {}, 400, "no ExportTraceServiceRequest in protobuf"),
        (b"{", {"content_type": JSON}, 400, "not JSON"),
        (b"no gzip", {"Content_Encoding": "gzip"}, 400, "is gzip, and is not"),
        (gzip.compress(protobuf(span("a")))[:-9], {"Content_Encoding": "gzip"}, 400, "ends too early"),
        (gzip.compress(protobuf(span("a"))) * 2, {"Content_Encoding": "gzip"}, 400, "goes on after its end"),
        (b"x", {"Content_Encoding": "br"}, 415, "packed with gzip"),
        (b"x", {"content_type": "text/plain"}, 415, "application/x-protobuf or application/json"),
        (bytes(MAX_BODY_BYTES + 1), {}, 413, f"at most {MAX_BODY_BYTES} bytes"),
        (gzip.compress(bytes(MAX_UNPACKED_BYTES * 4)), {"Content_Encoding": "gzip"}, 413, "bytes unpacked"),
    ],
    ids=["protobuf", "json", "not gzip", "half gzip", "two of gzip", "brotli", "text", "long", "bomb"],
)
async def test_what_cannot_be_taken_is_refused_in_a_sentence(
    observing: Platform, body: bytes, how: dict[str, Any], status: int, sentence: str
) -> None:
    answered, said = await send(observing, body, **how)
    assert answered == status
    in_json = how.get("content_type", PROTOBUF) != PROTOBUF
    told = json.loads(said)["message"] if in_json else Status.FromString(said).message
    assert sentence in told
    assert (await send(observing, protobuf(span("after"))))[0] == 200, "and nothing is broken"


async def test_only_post_sends_traces(observing: Platform) -> None:
    async with observing.session.get(observing.url("/v1/traces")) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_a_sender_that_goes_away_harms_nobody(observing: Platform) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", observing.emulator.settings.port)
    writer.write(
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    del reader
    assert (await send(observing, protobuf(span("after"))))[0] == 200


async def test_a_replica_is_told_where_to_send_them(start: Start) -> None:
    platform = await start({"echo": {}, "other": {"environment": {"OTEL_SERVICE_NAME": "mine"}}}, observe=True)
    env = await environment(platform, "other")
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"].startswith("http://127.0.0.1:")
    assert env["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf"
    assert env["OTEL_SERVICE_NAME"] == "mine"


async def test_the_last_words_of_a_replica_are_heard(start: Start, tmp_path: Path) -> None:
    (tmp_path / "last.py").write_text(LAST_WORDS)
    platform = await start({"last": {"fprocess": f"python {tmp_path}/last.py"}}, observe=True)
    assert (await platform.get("/function/last/"))[0] == 200
    await platform.emulator.__aexit__(None, None, None)
    assert [each.name for each in await kept(platform)] == ["goodbye"]


async def test_without_it_nobody_is_told_and_nothing_is_taken(start: Start) -> None:
    platform = await start({"echo": {}})
    assert not [name for name in await environment(platform, "echo") if name.startswith("OTEL_")]
    async with platform.session.post(platform.url("/v1/traces"), data=b"{}") as response:
        assert response.status == 404
    assert platform.emulator.status()["observing"] is None
    assert not (platform.emulator.settings.data_dir / TRACES_FILE).exists()


async def environment(platform: Platform, function: str) -> dict[str, str]:
    async with platform.session.get(platform.url(f"/function/{function}/env")) as response:
        said: dict[str, str] = json.loads(await response.text())["env"]
        return said


async def test_what_was_kept_outlives_a_restart(start: Start) -> None:
    first = await start({"echo": {}}, observe=True)
    await send(first, protobuf(span("a")))
    await kept(first)
    settings = first.emulator.settings
    await first.emulator.__aexit__(None, None, None)
    async with Emulator(settings) as again, aiohttp.ClientSession() as session:
        platform = Platform(again, session)
        await send(platform, protobuf(span("b", 1.0)))
        await eventually(lambda: again.status()["observing"]["kept"] == 1)
        assert [each.name for each in await kept(platform)] == ["a", "b"]


async def test_who_sends_more_than_can_be_written_is_told_to_wait(tmp_path: Path) -> None:
    registry = Registry()
    async with Intake(tmp_path / TRACES_FILE, Bounds(), SpanCounts(registry), most_waiting=10) as intake:
        assert intake.take([span(f"{n:02}") for n in range(8)])
        assert told(registry)("sluice_emulator_spans_waiting") == 8
        assert not intake.take([span(f"{n:02}") for n in range(8, 16)])
        await intake.written()
        assert intake.take([span(f"{n:02}") for n in range(8, 16)])
        await intake.written()
        assert intake.status() == {"kept": 16, "dropped": 8, "waiting": 0, "ratio": 1.0}
    assert counted(registry) == {**NONE, "kept": 16, "too_many": 8}
    assert told(registry)("sluice_emulator_spans_waiting") == 0


async def test_a_trace_that_is_full_keeps_what_it_has(tmp_path: Path) -> None:
    registry = Registry()
    async with Intake(tmp_path / TRACES_FILE, Bounds(spans_a_trace=3), SpanCounts(registry)) as intake:
        assert intake.take([span(f"{n}", parent="top") for n in range(5)])
        await intake.written()
    assert counted(registry) == {**NONE, "kept": 3, "trace_full": 2}


async def test_a_store_that_fails_costs_spans_and_nothing_else(tmp_path: Path) -> None:
    file, registry = tmp_path / TRACES_FILE, Registry()
    async with Intake(file, Bounds(), SpanCounts(registry)) as intake:
        change(file, "ALTER TABLE spans RENAME TO away")
        assert intake.take([span("a")])
        await intake.written()
        change(file, "ALTER TABLE away RENAME TO spans")
        assert intake.take([span("b")])
        await intake.written()
        assert intake.status() == {"kept": 1, "dropped": 1, "waiting": 0, "ratio": 1.0}
    assert counted(registry) == {**NONE, "kept": 1, "not_written": 1}


def told(registry: Registry) -> Numbers:
    return numbers(exposition(registry=registry).body.decode())


def counted(registry: Registry) -> dict[str, float]:
    return {outcome: told(registry)(CAME, outcome=outcome) for outcome in OUTCOMES}


def change(file: Path, sql: str) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute(sql)


def test_a_platform_that_nobody_observes_loads_nothing_of_it() -> None:
    code = "import sys, cli.platform, emulator.app; print(*[name for name in sys.modules if name.startswith(UNWANTED)])"
    unwanted = ("opentelemetry.proto", "opentelemetry.sdk", "google.protobuf", "emulator.telemetry.receiver")
    found = subprocess.run(
        [sys.executable, "-c", code.replace("UNWANTED", repr(unwanted))], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == ""
