"""Our own processes, as a platform would run them, and the patience to wait for what they do."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO


@contextmanager
def running_module(
    module: str, variables: Mapping[str, str], stderr: IO[bytes] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """`python -m module`, killed at the end."""
    process = subprocess.Popen([sys.executable, "-m", module], env={**os.environ, **variables}, stderr=stderr)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 30.0) -> None:
    """For tests without an event loop; the others have `local_http.until`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
