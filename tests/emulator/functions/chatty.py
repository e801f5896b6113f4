"""A function without a framework, for what a start looks like from inside: what it does is in its arguments.

`look` answers what the process sees of itself; the others do one thing and end.
"""

import colorsys  # noqa: F401 - something that nobody imports by chance
import json
import os
import random
import signal
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

IMPORTED_WITH = dict(os.environ)


class _Look(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = json.dumps(_seen()).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, *_: object) -> None:
        pass


def _seen() -> dict[str, object]:
    main = sys.modules["__main__"]
    secrets = Path("/var/openfaas/secrets")
    return {
        "argv": sys.argv,
        "path": sys.path,
        "main": main.__file__,
        "globals": sorted(name for name in vars(main) if not name.startswith("_")),
        "spec": getattr(main.__spec__, "name", None),
        "package": main.__package__,
        "env": IMPORTED_WITH,
        "cwd": str(Path.cwd()),
        "session": os.getsid(0) == os.getpid(),
        "threads": threading.active_count(),
        "random": random.random(),
        "descriptors": sorted(int(file.name) for file in Path("/proc/self/fd").iterdir()),
        "signals": {name: str(signal.getsignal(getattr(signal, name))) for name in ("SIGTERM", "SIGINT", "SIGCHLD")},
        "secrets": {file.name: file.read_text() for file in secrets.iterdir()} if secrets.is_dir() else {},
        "ours": sorted(name for name in sys.modules if name.startswith(("emulator", "shared"))),
        "pid": os.getpid(),
        "parent": os.getppid(),
    }


def main() -> None:
    match sys.argv[1:]:
        case ["exit", code]:
            print("last words", end="")
            sys.exit(int(code))
        case ["raise"]:
            raise RuntimeError("as asked")
        case ["signal", number]:
            os.kill(os.getpid(), int(number))
            time.sleep(60)
        case _:
            socketserver.TCPServer.allow_reuse_address = True
            HTTPServer(("127.0.0.1", int(os.environ["PORT"])), _Look).serve_forever()


if __name__ == "__main__":
    main()
