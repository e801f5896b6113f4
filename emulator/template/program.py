"""What runs inside a template: imports what it is told to, then forks a replica whenever it is asked for one.

Started by path under the function's own interpreter, so it imports nothing of ours by name. It must stay a process of
one thread: only then is a fork the whole process. What it says and hears is described in `template.py`.
"""

import gc
import importlib
import importlib.util
import json
import os
import runpy
import select
import signal
import socket
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

MAX_MESSAGE_BYTES = 256 * 1024
HERE = Path(__file__).resolve().parent


class Threads(Exception):
    """An import started a thread, which no fork survives."""


def main() -> None:
    """Returns only in a replica, where it has run to its end."""
    control = socket.socket(fileno=int(sys.argv[1]))
    folder = Path.cwd()
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = str(_first_path(sys.argv[2:], folder))
    die_with, show = _ours("shared/parent_death.py").die_with, _ours("emulator/secret_mount.py").show
    order = _received(control)[0]
    try:
        trouble = _warm(order["modules"], folder)
    except Threads as found:
        _send(control, {"threads": str(found)})
        os.set_inheritable(control.fileno(), True)
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606
    if trouble:
        _send(control, {"unusable": trouble})
        return
    gc.collect()
    gc.freeze()
    _send(control, {"ready": True, "paths": [path for path in sys.path[1:] if Path(path).is_dir()]})
    me, flags = os.getpid(), sys.orig_argv[: -len(sys.argv)]
    job, stdout = _serve(control)
    try:
        _settle(job, stdout)
        if job["secrets"]:
            show(job["mount_flags"], Path(job["secrets"]), Path(job["under"]))
        die_with(me, signal.SIGKILL)
    except OSError as error:
        os.write(2, f"the replica cannot be given its secrets: {error}\n".encode())
        os._exit(1)
    _run(flags, job["words"])


def _warm(modules: list[str], folder: Path) -> str:
    """Why this cannot be a template, if so. Raises `Threads` with the module whose import started one."""
    for name in modules:
        try:
            if _installed(name):
                importlib.import_module(name)
        except BaseException:  # noqa: S110 - the function meets it again, and may expect it
            pass
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            raise Threads(name)
    ours = [name for name, module in sys.modules.items() if _is_projects(module, folder)]
    return f"importing its dependencies imports {', '.join(sorted(ours)[:3])} of the project" if ours else ""


def _installed(name: str) -> bool:
    """Only what lies where packages are installed: everything else may be edited meanwhile."""
    parent, _, last = name.rpartition(".")
    if parent and hasattr(sys.modules.get(parent), last):
        return False
    spec = importlib.util.find_spec(name)
    origin = None if spec is None else spec.origin
    return spec is not None and (origin in (None, "built-in", "frozen") or _is_library(Path(str(origin))))


def _is_library(file: Path) -> bool:
    return bool({"site-packages", "dist-packages"} & {*file.parts}) or file.is_relative_to(Path(os.__file__).parent)


def _is_projects(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or module.__name__ == "__main__":
        return False
    return Path(file).is_relative_to(folder) and not _is_library(Path(file))


def _serve(control: socket.socket) -> tuple[dict[str, Any], int]:
    """Returns in the child, with what it is to be. The template ends when the emulator hangs up or has let it go."""
    children: dict[int, int] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    leaving = False
    while not (leaving and not children):
        for descriptor, _ in poll.poll():
            if descriptor in children:
                poll.unregister(descriptor)
                os.close(descriptor)
                pid = children.pop(descriptor)
                _send(control, {"exited": pid, "code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])})
                continue
            order, stdout = _received(control)
            if order.get("leave"):
                leaving = True
                continue
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                control.close()
                for each in children:
                    os.close(each)
                return order, stdout
            os.close(stdout)
            _send(control, {"pid": pid})
            pidfd = os.pidfd_open(pid)
            children[pidfd] = pid
            poll.register(pidfd, select.POLLIN)
    os._exit(0)


def _settle(job: dict[str, Any], stdout: int) -> None:
    """Makes the child what a new process would be: session, descriptors, environment, chance."""
    os.setsid()
    os.dup2(stdout, 1)
    os.dup2(stdout, 2)
    os.close(stdout)
    coerced = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}  # by the interpreter itself
    os.environ.clear()
    os.environ.update({**coerced, **job["environment"]})
    importlib.invalidate_caches()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _run(flags: list[str], words: list[str]) -> None:
    """As `python FLAGS WORDS` does; the flags are those of this process too."""
    main = sys.modules["__main__"] = ModuleType("__main__")
    vars(main)["__builtins__"] = __builtins__
    sys.orig_argv[:] = [*flags, *words]
    if words[0] == "-m":
        sys.argv[:] = words[1:]
        getattr(runpy, "_run_module_as_main")(words[1])  # noqa: B009 - what `python -m` itself calls
        return
    sys.argv[:] = words
    file = str(Path(words[0]).absolute())
    loader = SourceFileLoader("__main__", file)
    vars(main).update(__file__=file, __cached__=None, __spec__=None, __package__=None, __loader__=loader)
    exec(compile(Path(file).read_bytes(), file, "exec"), vars(main))  # noqa: S102


def _first_path(words: list[str], folder: Path) -> Path:
    return folder if words[0] == "-m" else Path(words[0]).resolve().parent


def _ours(file: str) -> ModuleType:
    """A module of ours that stays out of `sys.modules`."""
    spec = importlib.util.spec_from_file_location(f"_{Path(file).stem}", HERE.parents[1] / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    control.send(json.dumps(message).encode())


def _received(control: socket.socket) -> tuple[dict[str, Any], int]:
    data, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE_BYTES, 1)
    if not data:
        os._exit(0)
    return json.loads(data), descriptors[0] if descriptors else -1


if __name__ == "__main__":
    main()
