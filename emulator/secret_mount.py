"""Shows a replica its secrets at the path where OpenFaaS mounts them, by a mount namespace of its own."""

import ctypes
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

SECRETS = Path("/var/openfaas/secrets")
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_BIND, _MS_REC, _MS_SLAVE = 0x1000, 0x4000, 0x80000
_MNT_DETACH = 2
# PyDLL keeps the interpreter lock: between fork and exec nothing may wait for a lock that another thread held.
_libc = ctypes.PyDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Mount:
    """What a child calls between fork and exec with its folder of secrets and an empty folder."""

    flags: int

    def __call__(self, secrets: Path, under: Path) -> None:
        show(self.flags, secrets, under)


def supported_mount() -> Mount | None:
    """None: not allowed here."""
    if _libc is None:
        return None
    for flags in (_CLONE_NEWNS, _CLONE_NEWNS | _CLONE_NEWUSER):
        mount = Mount(flags)
        if _works(mount):
            return mount
    return None


def show(flags: int, secrets: Path, under: Path) -> None:
    _enter(flags)
    _mount("none", Path("/"), "", _MS_REC | _MS_SLAVE)
    if not SECRETS.is_dir():
        _make_room(under)
    _mount(str(secrets), SECRETS, "", _MS_BIND)


def _enter(flags: int) -> None:
    assert _libc is not None
    user, group = os.geteuid(), os.getegid()
    if _libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")
    if flags & _CLONE_NEWUSER:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")


def _make_room(under: Path) -> None:
    """The path does not exist and the machine's folders stay as they are: a private copy of the nearest that exists."""
    base = next(folder for folder in SECRETS.parents if folder.is_dir())
    _mount(str(base), under, "", _MS_BIND | _MS_REC)
    _mount("tmpfs", base, "tmpfs", 0)
    for entry in os.scandir(under):
        _repeat(entry, base / entry.name)
    SECRETS.mkdir(parents=True)
    assert _libc is not None
    _libc.umount2(os.fsencode(under), _MNT_DETACH)


def _repeat(entry: "os.DirEntry[str]", target: Path) -> None:
    if entry.is_symlink():
        target.symlink_to(Path(entry.path).readlink())
        return
    if entry.is_dir():
        target.mkdir()
    else:
        target.touch()
    _mount(entry.path, target, "", _MS_BIND | _MS_REC)


def _mount(source: str, target: Path, kind: str, flags: int) -> None:
    assert _libc is not None
    if _libc.mount(source.encode(), os.fsencode(target), kind.encode(), flags, None):
        raise OSError(ctypes.get_errno(), f"mount on {target}")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def _works(mount: Mount) -> bool:
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        secrets, under = Path(folder, "secrets"), Path(folder, "under")
        secrets.mkdir()
        under.mkdir()
        (secrets / "probe").touch()
        try:
            probe = ["/bin/sh", "-c", f"test -e {SECRETS}/probe"]
            return subprocess.run(probe, preexec_fn=partial(mount, secrets, under)).returncode == 0
        except (OSError, subprocess.SubprocessError):
            return False
