"""Liveness, readiness and metrics of a worker, served from a thread that no fork can catch in the middle."""

import os
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer

REQUEST_TIMEOUT_S = 2.0

Answer = tuple[int, str]


def serve_probes(address: tuple[str, int], routes: Mapping[str, Callable[[], Answer]]) -> HTTPServer:
    """Serves GET on all addresses until the process ends. A forked child lets go of the socket at once."""
    quiet = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def handle(self) -> None:
            with quiet:
                super().handle()

        def do_GET(self) -> None:
            route = routes.get(self.path.partition("?")[0])
            status, text = route() if route else (404, "")
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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
