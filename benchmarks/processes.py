"""CPU seconds of a tree of processes, also of those that come and go."""

import threading
from dataclasses import dataclass, field

import psutil

DATABASE_SERVERS = ("postgres", "redis-server")


@dataclass
class CpuMeter:
    """Samples the tree under `root` ten times a second and keeps each process's last known CPU time.

    A process that ends between two samples loses at most a tenth of a second.
    """

    root: psutil.Process
    period_s: float = 0.1
    _seen: dict[tuple[int, float], tuple[str, float]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._sample()
        self._start = {key: cpu for key, (_, cpu) in self._seen.items()}
        self._thread = threading.Thread(target=self._run, name="cpu-meter", daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """CPU seconds since the start, by what the process is."""
        self._stop.set()
        self._thread.join()
        self._sample()
        total: dict[str, float] = {}
        for key, (name, cpu) in self._seen.items():
            total[name] = total.get(name, 0.0) + cpu - self._start.get(key, 0.0)
        return total

    def _run(self) -> None:
        while not self._stop.wait(self.period_s):
            self._sample()

    def _sample(self) -> None:
        for process in [self.root, *self.root.children(recursive=True)]:
            try:
                times = process.cpu_times()
                key = (process.pid, process.create_time())
                name = self._seen[key][0] if key in self._seen else _name(process)
                self._seen[key] = (name, times.user + times.system)
            except psutil.NoSuchProcess:
                continue


def _name(process: psutil.Process) -> str:
    """The database server, or the module that Python runs."""
    if process.name() in DATABASE_SERVERS:
        return process.name()
    words = process.cmdline()
    return words[words.index("-m") + 1] if "-m" in words[:-1] else process.name()
