"""The function behind the recordings: tells of its request, sleeps, fails, or answers with a status as asked."""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode(errors="replace")
        if parts.path == "/sleep":
            time.sleep(float(query["s"][0]))
        if parts.path == "/status":
            self._answer(int(query["c"][0]), b"custom", "text/html; charset=utf-8")
        elif parts.path == "/boom":
            self._answer(500, b"<!doctype html>\n", "text/html; charset=utf-8")
        elif self.command == "OPTIONS":
            self._answer(200, b"", "text/html; charset=utf-8")
        else:
            seen = {
                "function": os.environ["OPENFAAS_NAME"],
                "method": self.command,
                "path": parts.path,
                "query": query,
                "headers": dict(self.headers.items()),
                "content_type": self.headers.get("Content-Type"),
                "len": length,
                "body": body,
            }
            self._answer(200, json.dumps(seen).encode(), "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
    setattr(Handler, f"do_{method}", Handler.do_POST)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
