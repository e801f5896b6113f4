"""What a wake-up counts, on its way to the worker that forked it: a message a second, whole or not at all.

A process that is killed has told what it counted until then. Messages keep their order, so that the worker's own word
that one is gone comes after all of its.
"""

import json
import logging
import socket
import threading
from typing import Final

from observe.metrics import REGISTRY, Delta, Registry

log = logging.getLogger(__name__)

TELL_EVERY_S: Final = 1.0
LAST_WORD_S: Final = 1.0
_BYTES: Final = 256 * 1024
# Series in a message: histograms with a trace in every bucket take 1.5 KB each.
_SERIES: Final = 100


class Counts:
    """The worker `listen`s before it forks; a child `begin`s, and `tell`s from one thread."""

    def __init__(self, registry: Registry = REGISTRY) -> None:
        self._registry = registry
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._untold: Delta = []
        self._in_child = False

    def listen(self) -> None:
        hear, tell = self._ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        tell.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BYTES)
        threading.Thread(target=self._hear, args=(hear,), name="counts", daemon=True).start()

    def begin(self) -> None:
        self._registry.forget()
        self._in_child = True

    def tell(self, patience_s: float = 0.0) -> None:
        """What was counted since the last time. What finds no place now is told the next time. No child, no word."""
        if self._ends is None or not self._in_child:
            return
        self._untold += self._registry.take()
        _, end = self._ends
        end.settimeout(patience_s)
        try:
            while self._untold:
                end.send(json.dumps(self._untold[:_SERIES]).encode())
                del self._untold[:_SERIES]
        except OSError as exc:
            log.info("counts not told: %s", type(exc).__name__, extra={"count": len(self._untold)})

    def ended(self) -> None:
        """The child is gone: the worker says so, to itself."""
        if self._ends is not None:
            self._ends[1].settimeout(LAST_WORD_S)
            self._ends[1].send(b"null")

    def _hear(self, end: socket.socket) -> None:
        while True:
            delta = json.loads(end.recv(_BYTES))
            if delta is None:
                self._registry.settle()
            else:
                self._registry.add(delta)


COUNTS: Final = Counts()
