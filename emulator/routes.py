"""Which request goes where on the emulator's port."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs

from emulator.asgi import App, Receive, Scope, Send, answer, answer_json, answer_text
from emulator.cluster_names import ClusterName, Elsewhere, cluster_name
from emulator.faults.calls import Forward
from emulator.fleet import Fleet
from emulator.launcher import Launcher
from emulator.logs import LogLine, RotatingLog
from emulator.manifests import DEFAULT_NAMESPACE
from emulator.openfaas.gateway import Gateway

FUNCTION = b"/function/"
_NAME = re.compile(rb"[-a-zA-Z_0-9.]+")


class Routes:
    """`ready` and `status` are asked at each request. `prefixes` sends paths straight to functions, longest first.

    `more` are further paths of the emulator's own.
    """

    def __init__(
        self,
        fleet: Fleet,
        forward: Forward,
        launcher: Launcher,
        broker: App | None,
        prefixes: Sequence[tuple[str, str]],
        ready: Callable[[], bool],
        status: Callable[[], dict[str, Any]],
        gateway: Gateway,
        more: Mapping[bytes, App] = MappingProxyType({}),
    ) -> None:
        self._fleet = fleet
        self._forward_to = forward
        self._launcher = launcher
        self._broker = broker
        self._prefixes = [(prefix.encode(), function) for prefix, function in prefixes]
        self._ready = ready
        self._status = status
        self._gateway = gateway
        self._own: dict[bytes, App] = {
            b"/healthz": self._health,
            b"/metrics": gateway.metrics,
            b"/status": self._tell_status,
            **more,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"]
        try:
            named = cluster_name(scope)
        except Elsewhere as host:
            await answer_text(send, 502, f"{host}: only names of the cluster are reached through the emulator")
            return
        if named is not None:
            await self._by_cluster_name(named, scope, receive, send, path)
        elif path.startswith(FUNCTION):
            await self._function(scope, receive, send, path)
        elif path.startswith(b"/broker/") and self._broker is not None:
            await self._broker(scope, receive, send)
        elif path.startswith((b"/system/", b"/async-function/")):
            await self._gateway(scope, receive, send)
        elif path in self._own:
            await self._own[path](scope, receive, send)
        elif path.startswith(b"/logs/"):
            await self._logs(scope, receive, send, path.removeprefix(b"/logs/").decode("latin-1"))
        else:
            await self._by_prefix(scope, receive, send, path)

    async def _tell_status(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer_json(send, 200, self._status())

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await answer(send, 405)
        elif self._ready():
            await answer(send, 200)
        else:
            await answer_text(send, 503, "starting")

    async def _function(self, scope: Scope, receive: Receive, send: Send, path: bytes) -> None:
        name, slash, rest = path.removeprefix(FUNCTION).partition(b"/")
        if _NAME.fullmatch(name):
            await self._forward(name.decode("ascii"), scope, receive, send, slash + rest or b"/")
        else:
            await self._gateway(scope, receive, send)

    async def _by_cluster_name(
        self, named: ClusterName, scope: Scope, receive: Receive, send: Send, path: bytes
    ) -> None:
        if named.is_ingress and self._broker is not None:
            await self._broker({**scope, "raw_path": b"/broker" + path}, receive, send)
            return
        revision = self._fleet.named(named.name, named.namespace)
        if revision is None:
            await answer_text(send, 404, f"{named.name}.{named.namespace}.svc.cluster.local: no function of that name")
        else:
            await self._forward_to(revision, scope, receive, send, path or b"/")

    async def _by_prefix(self, scope: Scope, receive: Receive, send: Send, path: bytes) -> None:
        for prefix, function in self._prefixes:
            if path == prefix or prefix == b"/" or path.startswith(prefix + b"/"):
                await self._forward(function, scope, receive, send, path)
                return
        await self._gateway(scope, receive, send)

    async def _forward(self, name: str, scope: Scope, receive: Receive, send: Send, path: bytes) -> None:
        revision = self._fleet.find(name)
        if revision is None:
            await answer(send, 404, unknown_function(name).encode())
        else:
            await self._forward_to(revision, scope, receive, send, path)

    async def _logs(self, scope: Scope, receive: Receive, send: Send, name: str) -> None:
        """`?tail=N` lines, and with `follow=true` those to come, until the caller goes away."""
        revision = self._fleet.find(name)
        if revision is None:
            await answer_text(send, 404, f"error finding function {name}: not deployed")
            return
        query = parse_qs(scope["query_string"].decode("latin-1"))
        count = int(query["tail"][0]) if query.get("tail", [""])[0].isdecimal() else None
        log = self._launcher.log_of(revision.spec.key)
        if query.get("follow", ["false"])[0] not in ("true", "1"):
            await answer(send, 200, b"".join(_line(line) for line in log.tail(count)))
            return
        following = asyncio.create_task(_follow(log, count, send), name=f"follow {name}")
        leaving = asyncio.create_task(_until_disconnect(receive), name=f"follower of {name}")
        try:
            await asyncio.wait({following, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            following.cancel()
            leaving.cancel()


def unknown_function(name: str) -> str:
    short, dot, namespace = name.rpartition(".")
    short, namespace = (short, namespace) if dot else (name, DEFAULT_NAMESPACE)
    status = f"server returned non-200 status code (404) for function, {short}, body: "
    return f"error finding function {short}.{namespace}: {status}"


async def _follow(log: RotatingLog, count: int | None, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async for line in log.follow(count):
        await send({"type": "http.response.body", "body": _line(line), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _line(line: LogLine) -> bytes:
    return f"{line.timestamp} {line.instance} {line.text}\n".encode()
