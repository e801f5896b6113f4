"""Liveness, readiness and metrics of a worker, served from a thread that no fork can catch in the middle."""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TypeAlias

REQUEST_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


# Takes what the request's Accept header says.
Probe: TypeAlias = Callable[[str], Answer]


def serve_probes(address: tuple[str, int], probes: Mapping[str, Probe]) -> HTTPServer:
    """Serves GET on all addresses until the process ends. A forked child lets go of the socket at once."""
    quiet = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def handle(self) -> None:
            with quiet:
                super().handle()

        def do_GET(self) -> None:
            probe = probes.get(self.path.partition("?")[0])
            answer = probe(self.headers.get("Accept", "")) if probe else Answer(404, b"")
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Probes are no news."""

    server = HTTPServer(address, Handler)

    def in_child() -> None:
        quiet.release()
        server.socket.close()

    # The fork waits for a request in progress, so that the child inherits no lock held by this thread.
    os.register_at_fork(before=quiet.acquire, after_in_parent=quiet.release, after_in_child=in_child)
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    return server
