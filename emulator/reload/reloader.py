"""Watches the code of every function that runs, by asking the file system a few times a second, and rolls it over."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from emulator.fleet import Fleet
from emulator.launcher import EMULATOR, Launcher
from emulator.manifests import FunctionSpec
from emulator.reload import snapshot
from emulator.reload.snapshot import Snapshot, Stamp
from emulator.reload.syntax import fault
from emulator.revision import Revision
from emulator.sources import forget_stale_bytecode, sources_of

POLL_S = 0.25

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Watched:
    """One revision's files. `seen` is how they were at the last look; `unread` changed since its code was loaded."""

    revision: Revision
    seen: dict[Path, Stamp]
    unread: set[Path] = field(default_factory=set)
    settling: bool = False
    rolling: asyncio.Task[None] | None = None


class Reloader:
    """`run` until its task is cancelled. A function at zero is not watched: its next start reads what is there.

    Of `manifests` it is only told that they changed: what they say was read at the start.
    """

    def __init__(
        self, fleet: Fleet, launcher: Launcher, manifests: Iterable[Path] = (), *, poll_s: float = POLL_S
    ) -> None:
        self.notices: list[str] = []
        self._manifests = snapshot.take(manifests)
        self._fleet = fleet
        self._launcher = launcher
        self._poll_s = poll_s
        self._watched: dict[str, _Watched] = {}

    async def run(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._poll_s)
                await self._look()
        finally:
            rolling = [each.rolling for each in self._watched.values() if each.rolling is not None]
            for task in rolling:
                task.cancel()
            await asyncio.gather(*rolling, return_exceptions=True)

    async def _look(self) -> None:
        await self._follow_the_fleet()
        files = {file for each in self._watched.values() for file in each.seen}
        now = await asyncio.to_thread(snapshot.take, files | self._manifests.keys())
        self._tell_of_manifests(now)
        for key, each in list(self._watched.items()):
            if fresh := snapshot.changed(each.seen, now):
                each.unread |= fresh
                each.seen |= {file: now[file] for file in fresh}
                each.settling = True
            elif each.settling:
                # An editor may write a file in several steps, and several files one after the other.
                each.settling = False
                await self._roll(key, each)

    def _tell_of_manifests(self, now: Snapshot) -> None:
        for file in snapshot.changed(self._manifests, now):
            self._manifests[file] = now[file]
            notice = (
                f"{file.name} has changed: `faas-cli deploy` takes a function up as it is now, a new start everything"
            )
            if notice not in self.notices:
                self.notices.append(notice)
                _log.warning("beyond a reload: %s", notice)

    async def _follow_the_fleet(self) -> None:
        for key, each in list(self._watched.items()):
            busy = each.rolling is not None and not each.rolling.done()
            if not busy and (self._fleet.revisions.get(key) is not each.revision or not each.revision.replicas):
                del self._watched[key]
        for key, revision in list(self._fleet.revisions.items()):
            if key not in self._watched and revision.replicas:
                await self._begin(key, revision)

    async def _begin(self, key: str, revision: Revision) -> None:
        since_s = min(replica.spawned_at for replica in revision.replicas)
        seen = await asyncio.to_thread(_look_at, revision)
        each = self._watched[key] = _Watched(revision, seen)
        each.unread |= snapshot.newer(seen, since_s)
        each.settling = bool(each.unread)

    async def _roll(self, key: str, each: _Watched) -> None:
        if each.rolling is not None:
            each.rolling.cancel()
            await asyncio.gather(each.rolling, return_exceptions=True)
        each.rolling = asyncio.create_task(self._take_over(key, each), name=f"reload {key}")

    async def _take_over(self, key: str, each: _Watched) -> None:
        spec, names = each.revision.spec, _names(each.unread, each.revision.spec.folder)
        wrong = await asyncio.to_thread(_read_again, spec, frozenset(each.unread))
        kept_by = f"syntax error in {wrong}" if wrong else await self._fleet.roll(key)
        if kept_by:
            self._tell(key, each.revision, f"{names} changed; the old code goes on: {kept_by}", failed=True)
            # A module that was missing may be what is wrong: it counts as soon as it is there.
            each.seen = await asyncio.to_thread(_look_at, each.revision) | each.seen
            return
        self._launcher.warm(spec)
        at = datetime.now(UTC).strftime("%H:%M:%S")
        self._tell(key, self._fleet.revisions[key], f"new code since {at} UTC: {names} changed", failed=False)

    def _tell(self, key: str, revision: Revision, text: str, *, failed: bool) -> None:
        revision.reloaded = text
        self._launcher.say(key, text)
        if failed:
            _log.warning("reload of %s: %s", key, text)
            self._launcher.log_of(key).write(EMULATOR, text)


def _read_again(spec: FunctionSpec, files: frozenset[Path]) -> str:
    """The first syntax error."""
    forget_stale_bytecode(files)
    return fault(spec, files)


def _look_at(revision: Revision) -> dict[Path, Stamp]:
    spec = revision.spec
    return snapshot.take(sources_of(spec.command, spec.folder, spec.environment).watched)


def _names(files: Iterable[Path], folder: Path) -> str:
    shown = sorted(str(file.relative_to(folder) if file.is_relative_to(folder) else file) for file in files)
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more
