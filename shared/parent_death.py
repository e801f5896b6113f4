"""Ends a process with its parent, however the parent dies. Linux only: elsewhere nothing happens."""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
# PyDLL keeps the interpreter lock: between fork and exec nothing may wait for a lock that another thread held.
_libc = ctypes.PyDLL(None) if sys.platform == "linux" else None


def die_with(parent: int, number: int) -> None:
    """For a child right after fork: the kernel sends it signal `number` when `parent` dies, if that is still alive.

    The kernel ties this to the thread that forked: it must outlive the child.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)
