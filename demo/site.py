"""Serves the demo's pages on loopback, with validators, so that a second run finds them unchanged."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from demo.pages import ROBOTS, Page


@contextmanager
def serve(pages: Mapping[str, Page], port: int = 0) -> Iterator[str]:
    """Runs the site in a thread and gives its base URL."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", port), _handler({**pages, "/robots.txt": Page(ROBOTS.encode(), "text/plain")})
    )
    thread = threading.Thread(target=server.serve_forever, name="demo-site", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
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
