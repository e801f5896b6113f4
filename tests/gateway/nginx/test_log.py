"""What the edge writes down, and under which id."""

from tests.gateway.nginx.world import World, burst, exchange, from_


async def test_a_request_id_is_kept_or_made_and_goes_everywhere(world: World) -> None:
    kept = await world.client.get("/api/corpora", headers={"X-Request-Id": "mine.1"})
    assert kept.headers.get_list("x-request-id") == ["mine.1"]
    assert kept.json()["headers"]["x-request-id"] == "mine.1"
    for bad in ("has space", "x" * 129, '"},{"', ""):
        made = await world.client.get("/api/corpora", headers={"X-Request-Id": bad})
        given = made.headers["x-request-id"]
        assert given not in ("", bad)
        assert made.json()["headers"]["x-request-id"] == given
    ids = [line["request_id"] for line in await world.lines(5)]
    assert ids[0] == "mine.1"
    assert ids[-1] == given


async def test_health_is_neither_limited_nor_logged(balanced: World) -> None:
    answers = await burst(balanced.edge, "/health", [from_("203.0.113.9")] * 100)
    assert {status for status, _ in answers} == {200}
    await balanced.client.get("/api/corpora", headers=from_("203.0.113.9"))
    assert [line["uri"] for line in await balanced.lines(1)] == ["/api/corpora"]


HOSTILE_TARGETS = (
    b'/api/"},{"level":"error","x":"',
    b"/api/\\u0022\\",
    b"/api/\xff\xfe\xc3(",
    b"/api/%0d%0a",
    b"/api/\xe2\x80\xa8line",
    b"/api/corpora?key=slk_in-the-query",
    b"/api/slk_in-the-path/x",
    b"/api/" + b"a" * 6000,
)


async def test_every_log_line_is_json_and_none_holds_a_key(world: World) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    hostile = b'\xff"},{"\\\x01'.replace(b"\x01", b"\t")
    for number, target in enumerate(HOSTILE_TARGETS, 1):
        answer = await exchange(
            world.edge,
            b"GET " + target + b" HTTP/1.1\r\nHost: edge\r\nX-API-Key: slk_in-the-header\r\nConnection: close\r\n"
            b"User-Agent: " + hostile + b"\r\nX-Request-Id: " + hostile + b"\r\nReferer: " + hostile + b"\r\n"
            b"traceparent: 00-" + trace.encode() + b"-b7ad6b7169203331-01\r\n\r\n",
        )
        assert answer.startswith(b"HTTP/1.1 ")
        lines = await world.lines(number)  # a line is written after its answer
    assert len(lines) == len(HOSTILE_TARGETS)
    assert b"slk_" not in world.edge.log()
    assert [line["uri"] for line in lines[2:7]] == [
        "(unreadable)",
        "/api/%0d%0a",
        "(unreadable)",
        "/api/corpora",
        "(holds a key)",
    ]
    assert lines[5] | {"upstream_addr": "", "timestamp": "", "request_id": "", "bytes_sent": 0} == {
        "timestamp": "",
        "request_id": "",
        "trace_id": trace,
        "remote_addr": "127.0.0.1",
        "method": "GET",
        "uri": "/api/corpora",
        "status": 200,
        "bytes_sent": 0,
        "request_time": lines[5]["request_time"],
        "upstream_response_time": lines[5]["upstream_response_time"],
        "upstream_addr": "",
        "upstream_status": "200",
        "limit_req_status": "PASSED",
    }
    said = world.edge.folder / "said.log"
    assert b"slk_" not in said.read_bytes()
