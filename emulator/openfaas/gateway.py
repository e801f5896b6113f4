"""The routing table of the REST contract, and who may use which part of it."""

import re
from collections.abc import Mapping

from emulator.asgi import Receive, Scope, Send, answer
from emulator.openfaas.call import METHOD_NOT_ALLOWED, PAGE_NOT_FOUND, Call, Refused, Reply, Route
from emulator.openfaas.credentials import Credentials
from emulator.openfaas.platform import Platform
from emulator.openfaas.routes import (
    asynchronous,
    faults,
    function,
    functions,
    info,
    logs,
    namespaces,
    recording,
    scale,
    secrets,
)

NAME = r"(?P<name>[-a-zA-Z_0-9.]+)"

ROUTES: tuple[tuple[str, Mapping[str, Route]], ...] = (
    (
        r"/system/functions",
        {
            "GET": functions.list_functions,
            "POST": functions.create,
            "PUT": functions.update,
            "DELETE": functions.remove,
        },
    ),
    (rf"/system/function/{NAME}", {"GET": function.get}),
    (rf"/system/scale-function/{NAME}", {"POST": scale.scale}),
    (r"/system/alert", {"POST": scale.alert}),
    (r"/system/info", {"GET": info.info}),
    (
        r"/system/secrets",
        {"GET": secrets.list_secrets, "POST": secrets.create, "PUT": secrets.update, "DELETE": secrets.remove},
    ),
    (r"/system/logs", {"GET": logs.logs}),
    (r"/system/namespaces", {"GET": namespaces.list_namespaces}),
    (r"/system/namespace/?", {"POST": namespaces.create}),
    (
        rf"/system/namespace/{NAME}",
        {
            "GET": namespaces.get,
            "POST": namespaces.create,
            "PUT": namespaces.update,
            "DELETE": namespaces.remove,
        },
    ),
    (rf"/async-function/{NAME}", {"POST": asynchronous.submit, "DELETE": asynchronous.cancel}),
    (rf"/async-function/{NAME}/.*", {"POST": asynchronous.submit}),
    (r"/system/async/(?P<id>[^/]+)", {"GET": asynchronous.status}),
    (r"/system/faults", {"GET": faults.list_faults, "POST": faults.arm, "DELETE": faults.call_off}),
    (r"/system/recording", {"GET": recording.status, "POST": recording.start, "DELETE": recording.stop}),
    (r"/", {"GET": info.front_page}),
    (r"/ui/.*", {"GET": info.dashboard}),
)
PROTECTED = ("/system/", "/ui/")
DENIED = Reply(401, b"invalid credentials", headers=((b"www-authenticate", b'Basic realm="Restricted"'),))


class Gateway:
    """Answers what is not an invocation."""

    def __init__(self, platform: Platform, credentials: Credentials) -> None:
        self._platform = platform
        self._credentials = credentials
        self._routes = [(re.compile(pattern), methods) for pattern, methods in ROUTES]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reply = await self._reply(scope, receive, send)
        except Refused as refused:
            reply = refused.reply
        except ConnectionResetError:
            return
        if reply is not None:
            await answer(send, reply.status, reply.body, reply.content_type, *reply.headers)

    async def metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
        found = self._platform.metrics.exposition(accept, self._platform.fleet.revisions)
        await answer(send, 200, found.body, found.content_type.encode())

    async def _reply(self, scope: Scope, receive: Receive, send: Send) -> Reply | None:
        path: str = scope["path"]
        authorization = dict(scope["headers"]).get(b"authorization", b"")
        if path.startswith(PROTECTED) and not self._credentials.allow(authorization):
            return DENIED
        for pattern, methods in self._routes:
            if found := pattern.fullmatch(path):
                route = methods.get(scope["method"])
                if route is None:
                    return METHOD_NOT_ALLOWED
                return await route(self._platform, Call(found.groupdict(), scope, receive, send))
        return PAGE_NOT_FOUND
