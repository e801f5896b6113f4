"""Serves the demo's pages, with validators, so that a second run finds them unchanged."""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from demo.pages import ROBOTS, Page, own_site, recorded_site


class Site(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A platform that is stopped leaves in the middle of a request: that is nobody's mistake."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def serve(pages: Mapping[str, Page], port: int = 0, host: str = "127.0.0.1") -> Iterator[str]:
    """Runs the site in a thread and gives its base URL."""
    server = Site((host, port), _handler({**pages, "/robots.txt": Page(ROBOTS.encode(), "text/plain")}))
    thread = threading.Thread(target=server.serve_forever, name="demo-site", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(pages: Mapping[str, Page]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            page = pages.get(self.path, Page(b"<h1>Not found</h1>", status=404))
            unchanged = page.status == 200 and self.headers.get("If-None-Match") == page.etag
            body = b"" if unchanged else page.body
            self.send_response(304 if unchanged else page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", page.etag)
            if page.location:
                self.send_header("Location", page.location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Says nothing: the demo's screen belongs to the pipeline."""

    return Handler


def main() -> None:
    """`python -m demo.site [--pages DIR] [--host ADDRESS] [--port N]`: prints its URL, serves until it is stopped."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--pages", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    with serve(recorded_site(options.pages) if options.pages else own_site(), options.port, options.host) as url:
        print(url, flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
