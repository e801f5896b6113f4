"""The commands of who develops a function, against an emulator of this test's own."""

import asyncio
import json

from tests.cli.conftest import Cli
from tests.cli.test_emulate import emulating, post
from tests.emulator.conftest import command, write_stack


async def test_faults_are_asked_for_shown_and_called_off(sluice: Cli) -> None:
    stack = write_stack(sluice.folder, {"echo": {"fprocess": command()}})
    async with emulating(sluice, "--stack", str(stack)) as url:
        made = await sluice("fault", "5xx", "echo", "--rate", "100%", "--status", "507", "--seed", "3")
        assert (made.code, made.out.splitlines()) == (
            0,
            ["f1: 507 100 % of echo, hit 0 of 0", "stop it with: sluice fault off f1"],
        )
        assert (await post(f"{url}/function/echo", {}))[0] == 507
        listed = (await sluice("fault", "list", "--json")).json()
        assert [(one["id"], one["hits"]) for one in listed] == [("f1", 1)]
        assert "fault f1: 507 100 % of echo, hit 1 of 1" in (await sluice("status")).out
        delayed = json.loads((await sluice("fault", "delay", "*", "--delay", "1.5s", "--via", "calls", "--json")).out)
        assert (delayed["function"], delayed["delay_ms"], delayed["via"]) == ("*", 1500, "calls")
        assert (await sluice("fault", "off")).out == "off: f1, f2\n"
        assert (await sluice("fault", "list")).out == "no fault is on\n"

        unknown = await sluice("fault", "drop", "nobody")
        assert (unknown.code, unknown.err) == (2, "sluice: there is no function nobody (function_unknown)\n")
        wrong = await sluice("fault", "5xx", "echo", "--status", "200")
        assert (wrong.code, "status must be a whole number from 500 to 599" in wrong.err) == (2, True)
        for bad in (("drop",), ("drop", "echo", "--rate", "0"), ("delay", "echo", "--delay", "soon"), ("off", "f9")):
            assert (await sluice("fault", *bad)).code == 2
    absent = await sluice("fault", "list")
    assert (absent.code, "Start one with" in absent.err) == (1, True)


async def test_functions_that_send_traces_are_drawn_whatever_they_are_written_in(sluice: Cli) -> None:
    (sluice.folder / "fn.py").write_text(TRACING)
    stack = write_stack(sluice.folder, {"shop": {"fprocess": "python fn.py"}})
    trace = ("trace", "0b7c51d6000040008000000000000001")
    async with emulating(sluice, "--stack", str(stack), "--observe") as url:
        assert (await post(f"{url}/function/shop", {}))[0] == 200
        async with asyncio.timeout(30):
            while (drawn := await sluice(*trace)).code:
                pass
        assert "traces are kept: 1 span since the start" in (await sluice("status")).out
        assert "shop " in (await sluice("top", "--once")).out
        assert (await sluice("trace", "f" * 32)).code == 1
    assert "sell " in drawn.out
    assert (await sluice(*trace)).out == drawn.out, "also after it has stopped"


async def test_traces_go_to_one_place(sluice: Cli) -> None:
    elsewhere = Cli(sluice.folder, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    for start in (("up", "--observe"), ("emulate", "--observe", "--stack", str(write_stack(sluice.folder, {})))):
        ended = await elsewhere(*start)
        assert (ended.code, "choose one" in ended.err) == (2, True), ended.err


async def test_what_was_recorded_is_played_again_and_compared(sluice: Cli) -> None:
    (sluice.folder / "fn.py").write_text(ANSWERING.replace("PRICE", "10"))
    stack = write_stack(sluice.folder, {"shop": {"fprocess": "python fn.py"}})
    async with emulating(sluice, "--stack", str(stack)) as url:
        assert (await sluice("record", "start", "before", "--function", "shop")).code == 0
        assert "recording before: 0 exchanges of shop" in (await sluice("status")).out
        assert (await post(f"{url}/function/shop/one", {"X-API-Key": "slk_secret-of-a-caller"}))[0] == 200
        assert (await post(f"{url}/function/shop/two", {}))[0] == 200
        assert (await sluice("record", "stop")).out.startswith("stopped: recording before: 2 exchanges of shop")
        assert [(one["name"], one["count"]) for one in (await sluice("record", "list", "--json")).json()] == [
            ("before", 2)
        ]
        shown = (await sluice("record", "show", "--only", "1")).out
        assert "/one" in shown
        assert "slk_secret" not in shown

        same = await sluice("replay", "--header", "X-API-Key: slk_another-caller")
        assert (same.code, same.out.splitlines()[-1]) == (0, "before: 2 exchanges played, 2 same, 0 different")
        without = (await sluice("replay", "before", "--only", "1", "--json")).json()
        assert without["exchanges"][0]["reason"] == "was sent without x-api-key, which is not recorded"

        (sluice.folder / "fn.py").write_text(ANSWERING.replace("PRICE", "12"))
        async with asyncio.timeout(20):
            while '"price": 12' not in (await post(f"{url}/function/shop", {}))[1]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        different = await sluice("replay", "before", "--json")
        found = different.json()
        assert (different.code, found["same"], found["different"]) == (1, 0, 2)
        assert found["exchanges"][1]["differences"] == [{"at": "$.items[0].price", "recorded": 10, "now": 12}]
        assert "$.items[0].price: 10 → 12" in (await sluice("replay", "before", "--only", "2")).out
        assert (await sluice("replay", "before", "--ignore", "$.items[*].price")).code == 0

        for bad in (("replay", "nothing"), ("replay", "before", "--only", "9"), ("replay", "--only", "x")):
            assert (await sluice(*bad)).code == 2
        again = await sluice("record", "start", "before")
        assert (again.code, "recording_exists" in again.err) == (1, True)
        assert (await sluice("record", "start", "--function", "nobody")).code == 2
    assert (await sluice("replay", "before")).code == 1, "nobody is there to play to"
    assert (await sluice("record", "remove", "before")).out == "removed before\n"
    assert (await sluice("record", "list")).out == "there is no recording\n"


# Without an SDK: OTLP's JSON is a request like any other.
TRACING = """
import http.server, json, os, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        span = {"traceId": "0b7c51d6000040008000000000000001", "spanId": "00000000000000aa", "name": "sell",
                "startTimeUnixNano": "1790000000000000000", "endTimeUnixNano": "1790000000500000000"}
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
        to = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
        urllib.request.urlopen(urllib.request.Request(to, body, {"Content-Type": "application/json"})).read()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
ANSWERING = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = b'{"items": [{"price": PRICE}], "path": "%s"}' % self.path.encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
