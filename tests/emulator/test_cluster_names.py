"""The names that a cluster's DNS would know, as `Host` and from the code of a function."""

import json

import pytest
import yaml

from emulator.cluster_names import ANNOTATION, ClusterName, Elsewhere, cluster_name
from emulator.eventing import read
from tests.emulator.conftest import Start, eventually
from tests.emulator.test_emulator import EVENT, TRIGGERS

ASKING = """
import os, sys, urllib.request, urllib.error
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with urllib.request.urlopen(self.headers["X-Ask"], timeout=20) as answer:
                said = answer.read()
        except urllib.error.HTTPError as error:
            said = b"%d %s" % (error.code, error.read())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(said)

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"echo.default.svc.cluster.local", ClusterName("echo", "default")),
        (b"Echo.default.svc:80", ClusterName("echo", "default")),
        (
            b"broker-ingress.knative-eventing.svc.cluster.local",
            ClusterName("broker-ingress", "knative-eventing", is_ingress=True),
        ),
        (b"a.echo.default.svc.cluster.local", None),
        (b".svc.cluster.local", None),
        (b"localhost:8080", None),
        (b"", None),
    ],
)
def test_hosts(host: bytes, expected: ClusterName | None) -> None:
    assert cluster_name({"headers": [(b"accept", b"*/*"), (b"host", host)]}) == expected


def test_a_proxied_request_to_another_host_is_not_ours() -> None:
    headers = [(b"host", b"example.org"), (b"proxy-authorization", b"Basic x")]
    with pytest.raises(Elsewhere, match=r"example\.org"):
        cluster_name({"headers": headers})


async def test_functions_and_brokers_answer_to_their_names(start: Start) -> None:
    platform = await start({"echo": {}}, eventing=read(yaml.safe_load_all(TRIGGERS)))
    host = {"Host": "echo.default.svc.cluster.local"}
    async with platform.session.get(platform.url("/system/functions?x=1"), headers=host) as response:
        seen = json.loads(await response.text())
    assert (seen["path"], seen["query"]) == ("/system/functions", "x=1")
    ingress = {"Host": "broker-ingress.knative-eventing.svc.cluster.local"}
    async with platform.session.post(platform.url("/ns/default"), headers={**EVENT, **ingress}) as response:
        assert response.status == 202
    await eventually(lambda: platform.emulator.status()["broker"]["trigger ns/to-echo"]["delivered"] == 1)
    nobody = {"Host": "nobody.default.svc.cluster.local"}
    async with platform.session.get(platform.url("/"), headers=nobody) as response:
        assert (response.status, await response.text()) == (
            404,
            "nobody.default.svc.cluster.local: no function of that name\n",
        )


async def test_the_code_of_a_function_may_use_the_names_of_the_cluster(start: Start) -> None:
    asking = {"fprocess": f"python -c '{ASKING}'", "annotations": {ANNOTATION: "true"}}
    platform = await start({"asking": asking, "echo": {}})

    async def ask(url: str) -> str:
        async with platform.session.get(platform.url("/function/asking"), headers={"X-Ask": url}) as response:
            return await response.text()

    seen = json.loads(await ask("http://echo.default.svc.cluster.local/a?b=1"))
    assert (seen["path"], seen["query"]) == ("/a", "b=1")
    assert "proxy-authorization" not in dict(seen["headers"])
    assert (await ask("http://example.invalid/")).startswith("502 example.invalid: only names of the cluster")
