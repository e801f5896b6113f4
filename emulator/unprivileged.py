"""Postgres refuses to run as root. As root we give it another identity without opening any folder to others."""

import ctypes
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1


@dataclass(frozen=True)
class Identity:
    """`before_exec` runs in the child between fork and exec; files are made to belong to `uid` and `gid`."""

    uid: int
    gid: int
    before_exec: Callable[[], None] | None = None

    def own(self, folder: Path) -> None:
        if folder.stat().st_uid == self.uid:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def unprivileged_identity() -> Identity:
    """Ourselves, unless we are root.

    Root in a user namespace of its own is called by another name there and keeps its files. Where namespaces are
    forbidden, the child becomes that other user, with the right to pass folders that are closed to it.
    """
    if os.geteuid() != 0:
        return Identity(os.geteuid(), os.getegid())
    libc = ctypes.PyDLL(None, use_errno=True)
    user = _other_user()

    def enter_namespace() -> None:
        if libc.unshare(_CLONE_NEWUSER):
            raise OSError(ctypes.get_errno(), "unshare")
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user.pw_uid} 0 1")
        _write("/proc/self/gid_map", f"{user.pw_gid} 0 1")

    if sys.platform == "linux" and _works(enter_namespace):
        return Identity(0, 0, enter_namespace)
    return Identity(user.pw_uid, user.pw_gid, lambda: become(libc, user.pw_uid, user.pw_gid))


def become(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    """For a child before exec: another user, who where the kernel lets us still passes closed folders."""
    linux = sys.platform == "linux"
    if linux:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if linux:
        bit = 1 << _CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        if libc.capset(header, sets) == 0:
            libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def _other_user() -> pwd.struct_passwd:
    """One that exists, because Postgres looks its name up."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return next(user for user in pwd.getpwall() if user.pw_uid != 0)


def _works(before_exec: Callable[[], None]) -> bool:
    try:
        subprocess.run(["/bin/sh", "-c", ":"], preexec_fn=before_exec, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, text.encode())
    os.close(descriptor)
