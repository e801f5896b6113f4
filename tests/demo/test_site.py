"""The demo's site."""

import socket
import struct
import threading
from urllib.parse import urlsplit

import pytest

from demo.site import serve
from tests.processes import wait_until


def test_who_leaves_in_the_middle_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    """As the workers of a platform do when Ctrl-C stops the demo."""
    with serve({}) as url:
        where = urlsplit(url)
        assert where.hostname
        leaving = socket.create_connection((where.hostname, where.port or 0), timeout=5)
        leaving.sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert leaving.recv(1)
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaving.close()  # with a reset
        wait_until(lambda: not _answering())
    assert "Traceback" not in capfd.readouterr().err


def _answering() -> bool:
    return any("process_request_thread" in thread.name for thread in threading.enumerate())
