"""Takes from a parser's child, before it sees a page, what reading pages has no use for.

Landlock (Linux 5.13 and later, where it is switched on): no file can be opened but code, to read it, so no secret on
disk; nothing can be written, no other process traced or looked at through /proc. Later kernels: no TCP (6.7),
no signal to a process outside (6.12). Elsewhere on Linux: no new privileges, no file grown, few files open.
"""

import contextlib
import ctypes
import os
import resource
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_SET_NO_NEW_PRIVS = 38
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
# How many rights to the file system each version of the interface knows; later ones know those of the last.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_LATEST_FILE_RIGHTS = 16
_TCP = 0b11
_SCOPES = 0b11
OPEN_FILES = 256


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def confine() -> bool:
    """For the rest of this process and its children. False where the kernel has no Landlock."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard),) * 2)
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    if version < 1:
        return False
    return _restrict(libc, version)


def _restrict(libc: ctypes.CDLL, version: int) -> bool:
    files = (1 << _FILE_RIGHTS.get(version, _LATEST_FILE_RIGHTS)) - 1
    asked = _Ruleset(files, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(asked), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        return False
    try:
        for folder in _code():
            _allow(libc, ruleset, folder)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)) == 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str) -> None:
    with contextlib.suppress(OSError):
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rights = _EXECUTE | _READ_FILE | (_READ_DIR if Path(path).is_dir() else 0)
            rule = _Beneath(rights, parent)
            libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0))
        finally:
            os.close(parent)


def _code() -> Iterator[str]:
    """Where modules are loaded from that a page may need first: codecs, detectors, their shared libraries."""
    paths = sysconfig.get_paths()
    yield from dict.fromkeys(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    yield from ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/dev/urandom", "/dev/null")
    here = Path(__file__).resolve().parents[2]
    yield from (str(here / "functions" / "scrape"), str(here / "shared"))
