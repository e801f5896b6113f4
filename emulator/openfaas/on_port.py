"""Runs a Python program that names its port in its code, as templates of OpenFaaS do, and has it serve on `$PORT`.

`python on_port.py NAMED_PORT SCRIPT|-m MODULE …`, in a process of its own: it imports nothing of ours.
"""

import os
import runpy
import socket
import sys
from pathlib import Path

_EVERYWHERE = ("", "0.0.0.0")  # noqa: S104


def serve_instead(named: int, given: int) -> None:
    """From now on, in this process. Not for the network: whoever listens everywhere listens on loopback."""
    bind = socket.socket.bind

    def bind_given(self: socket.socket, address: object, /) -> None:
        if isinstance(address, tuple) and len(address) >= 2 and address[1] == named:
            host, _, *rest = address
            address = ("127.0.0.1" if host in _EVERYWHERE else host, given, *rest)
        bind(self, address)  # type: ignore[arg-type]

    socket.socket.bind = bind_given  # type: ignore[method-assign, assignment]


def main() -> None:
    _, named, *words = sys.argv
    serve_instead(int(named), int(os.environ["PORT"]))
    if words[0] == "-m":
        sys.path[0] = str(Path.cwd())
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(words[0]).resolve().parent)
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main()
