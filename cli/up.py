"""`sluice up`: a whole platform on this machine, in the foreground or behind."""

import argparse
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from cli import data_dir, development, running, target
from cli.failure import CommandFailed
from cli.observing import observing

READY_FD = "SLUICE_READY_FD"
# Longer than a platform gives itself, which then says what it waited for.
DETACH_S = 240.0
STOP_S = 60.0


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("up", help="start a platform on this machine")
    parser.add_argument("--detach", action="store_true", help="leave it running behind, and return when it is ready")
    target.add_arguments(parser)
    development.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    folder = (args.data_dir or Path(os.environ.get(target.DATA_DIR) or ".sluice")).resolve()
    port = args.port or target.DEFAULT_PORT
    development.check(args)
    data_dir.prepare(folder)
    refuse_second(folder)
    refuse_taken(port)
    if args.detach:
        return _detach(folder, port, development.again(args))
    with data_dir.owned(folder), running.announced(folder, port):
        from cli.platform import run_platform  # noqa: PLC0415

        return run_platform(folder, port, partial(development.applied, args), _ready_reporter())


def refuse_second(folder: Path) -> None:
    """Says so before anything starts; the lock decides when two start at the same moment."""
    with data_dir.owned(folder):
        pass


def refuse_taken(port: int, host: str = "127.0.0.1") -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            there = running.at_port(port)
            who = f" by the platform on {there.data_dir}" if there else ""
            reason = (error.strerror or str(error)).lower()
            raise CommandFailed(f"port {port} cannot be used: {reason}{who}. Choose another with --port.") from None


def _detach(folder: Path, port: int, options: list[str]) -> int:
    log = folder / "logs" / "platform.log"
    start = log.stat().st_size if log.exists() else 0
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "cli.main", "up", "--data-dir", str(folder), "--port", str(port), *options]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(theirs,),
            env={**os.environ, READY_FD: str(theirs), "PYTHONUNBUFFERED": "1"},
        )
    os.close(theirs)
    try:
        ready = told_in_time(ours, DETACH_S)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise
    finally:
        os.close(ours)
    if ready is None:
        process.terminate()
        raise CommandFailed(
            f"not ready after {DETACH_S:g} s, and stopped; the end of {log}:\n{_tail(process, log, start)}"
        )
    if not ready:
        raise CommandFailed(f"the platform did not start; the end of {log}:\n{_tail(process, log, start)}")
    print(f"ready on port {port}, pid {process.pid}; stop it with: sluice down --data-dir {folder}")
    print(observing(kept="--observe" in options))
    process.returncode = 0  # it lives on: nobody need warn that we leave it behind
    return 0


def told_in_time(descriptor: int, timeout_s: float) -> bytes | None:
    """What is written at the other end; nothing when it is closed, None when neither happens in time."""
    readable, _, _ = select.select([descriptor], [], [], timeout_s)
    return os.read(descriptor, 1) if readable else None


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    process.kill()


def _tail(process: "subprocess.Popen[bytes]", log: Path, start: int) -> str:
    process.wait()
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-20:])


def _ready_reporter() -> Callable[[], None]:
    """To be called when the platform is ready: tells whoever waits in `up --detach`."""
    given = os.environ.pop(READY_FD, None)
    if given is None:
        return lambda: None
    descriptor = int(given)
    os.set_inheritable(descriptor, False)

    def report() -> None:
        with suppress(BrokenPipeError):  # it gave up waiting; the platform stays
            os.write(descriptor, b"r")
        os.close(descriptor)

    return report
