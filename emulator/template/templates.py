"""Which functions have a template: made when one has to start again, ended when it has not been needed for longest."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.leftovers import PidFile
from emulator.manifests import FunctionSpec
from emulator.processes import Process
from emulator.sources import sources_of
from emulator.template.command import PythonCommand, python_command
from emulator.template.template import Job, NoFork, Template
from observe import tracing

# What no two replicas have alike: a template must not have seen it.
PER_REPLICA = frozenset(("PORT", "SECRETS_DIR", "HOSTNAME"))
MOST_TEMPLATES = 8
_EXPORTING = frozenset(("opentelemetry", "google"))


@dataclass(frozen=True)
class _For:
    """What a template was made for; where any of it differs, another has to be made."""

    command: PythonCommand
    folder: str
    environment: frozenset[tuple[str, str]]


def worth_warming(modules: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Without what only a process that exports its traces loads, where none will."""
    exports = tracing.wanted(environment)
    return [name for name in modules if exports or name.partition(".")[0] not in _EXPORTING]


class Templates:
    """`write` puts a line into a function's log: (key, instance, text); `say` one into the emulator's: (key, text)."""

    def __init__(
        self,
        pids: PidFile,
        *,
        write: Callable[[str, str, str], None],
        say: Callable[[str, str], None],
        enabled: bool,
        most: int = MOST_TEMPLATES,
    ) -> None:
        self._pids = pids
        self._write = write
        self._say = say
        self._enabled = enabled and sys.platform == "linux"
        self._most = most
        self._templates: dict[str, tuple[_For, Template | None]] = {}
        self._alive: set[Template] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def ready(self, key: str) -> bool:
        _, template = self._templates.get(key, (None, None))
        return template is not None and template.usable

    def warm(self, spec: FunctionSpec, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Makes one ready for the starts to come, unless there is one or none is possible."""
        wanted = self._wanted(spec, command, environment)
        if wanted is None:
            return
        made_for, template = self._templates.get(spec.key, (None, None))
        outdated = template is not None and template.state == "ready" and not template.usable
        if made_for == wanted and not outdated:
            return
        self.drop(spec.key)
        self._templates[spec.key] = (wanted, None)
        self._own(self._make(spec, wanted), f"warm {spec.key}")

    def fork(
        self,
        spec: FunctionSpec,
        command: Sequence[str],
        environment: Mapping[str, str],
        job: Callable[[PythonCommand], Job],
    ) -> Process | None:
        """A replica, where there is a template for exactly this."""
        wanted = self._wanted(spec, command, environment)
        made_for, template = self._templates.get(spec.key, (None, None))
        if wanted is None or made_for != wanted or template is None or not template.usable:
            return None
        self._templates[spec.key] = self._templates.pop(spec.key)
        try:
            return template.fork(job(wanted.command))
        except NoFork:
            return None

    def drop(self, key: str) -> None:
        _, template = self._templates.pop(key, (None, None))
        if template is not None:
            template.leave()

    async def stop(self) -> None:
        self._enabled = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *(template.stop() for template in self._alive), return_exceptions=True)

    def _wanted(self, spec: FunctionSpec, command: Sequence[str], environment: Mapping[str, str]) -> _For | None:
        python = python_command((command[0], *spec.command[1:])) if self._enabled else None
        if python is None:
            return None
        shared = frozenset(item for item in environment.items() if item[0] not in PER_REPLICA)
        return _For(python, str(spec.folder), shared)

    async def _make(self, spec: FunctionSpec, wanted: _For) -> None:
        environment = dict(wanted.environment)
        sources = await asyncio.to_thread(sources_of, spec.command, spec.folder, environment)
        if self._templates.get(spec.key) != (wanted, None):
            return
        try:
            template = Template(
                wanted.command,
                worth_warming(sources.foreign, environment),
                folder=spec.folder,
                environment=environment,
                on_line=lambda line: self._write(spec.key, f"{spec.name}-template", line),
                say=lambda text: self._say(spec.key, text),
            )
        except OSError:
            return
        self._templates[spec.key] = (wanted, template)
        self._alive.add(template)
        self._pids.add(template.process)
        template.process.exited.add_done_callback(lambda _: self._gone(template))
        while len(self._templates) > self._most:
            self.drop(next(iter(self._templates)))

    def _gone(self, template: Template) -> None:
        self._alive.discard(template)
        self._pids.remove(template.process)

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
