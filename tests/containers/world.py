"""Compose's platform in containers, and what a test asks of it."""

import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.containers.engine import Engine
from tests.rendering.world import ROOT

SITE = "waterways.example"
SITE_PORT = 8000
HEALTHY_IN_S = 300.0
DONE_IN_S = 240.0
KILL = """
import os, signal
for entry in filter(str.isdigit, os.listdir("/proc")):
    if entry != str(os.getpid()) and open(f"/proc/{entry}/stat").read().rsplit(")", 1)[1].split()[1] == "1":
        os.kill(int(entry), signal.SIGKILL)
"""


@dataclass(frozen=True)
class Project:
    """What one Compose file made: its services, one container each."""

    engine: Engine
    name: str
    folder: Path
    file: str

    def __call__(self, *words: str, limit_s: float = 600.0) -> str:
        command = self._command(*words)
        ended = self.engine.tried(*command, cwd=self.folder, limit_s=limit_s)
        assert ended.returncode == 0, f"{' '.join(command)}:\n{ended.stdout[-2000:]}{ended.stderr[-4000:]}"
        return ended.stdout.strip()

    def _command(self, *words: str) -> list[str]:
        return [*self.engine.compose(), "--project-name", self.name, "--file", self.file, *words]

    def up(self) -> None:
        """From nothing until all that last are healthy."""
        self("up", "--detach", "--no-build", limit_s=HEALTHY_IN_S)
        until(lambda: self.unwell() == {}, HEALTHY_IN_S, lambda: f"unwell: {self.unwell()}")

    def down(self) -> None:
        self("down", "--volumes", "--timeout", "10", limit_s=300)

    def containers(self) -> dict[str, dict[str, Any]]:
        """By service, as the engine describes them."""
        ids = self.engine("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={self.name}").split()
        found = self.engine.inspected(*ids) if ids else []
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def unwell(self) -> dict[str, str]:
        """What is not as it should be: running and healthy, or ended well where it runs once."""
        found = {}
        for service, each in self.containers().items():
            state = each["State"]
            ended_well = state["Status"] == "exited" and state["ExitCode"] == 0 and service == "migrate"
            healthy = state["Running"] and state.get("Health", {}).get("Status", "healthy") == "healthy"
            if not (ended_well or healthy):
                found[service] = f"{state['Status']} {state.get('Health', {}).get('Status', '')}"
        return found

    def ask(self, service: str, *command: str) -> str:
        return self("exec", "-T", service, *command)

    def kill(self, service: str) -> None:
        """What its container runs, below the init that reaps for it. Whoever says so dies with it, at times before."""
        self.engine.tried(*self._command("exec", "-T", service, "python", "-c", KILL), cwd=self.folder)

    def left(self) -> dict[str, str]:
        """What the engine still has of it."""
        label = f"label=com.docker.compose.project={self.name}"
        return {
            kind: found
            for kind, words in {
                "container": ["ps", "--all"],
                "volume": ["volume", "ls"],
                "network": ["network", "ls"],
            }.items()
            if (found := self.engine(*words, "--quiet", "--filter", label))
        }


def laid_out(folder: Path, file: str, variables: Mapping[str, str]) -> None:
    """A checkout's part that Compose reads, with `.env` filled in from its example as an operator does."""
    compose = folder / "deploy" / "compose"
    if not compose.exists():
        shutil.copytree(ROOT / "gateway" / "nginx", folder / "gateway" / "nginx")
        compose.mkdir(parents=True)
    document = yaml.safe_load((ROOT / "deploy" / "compose" / file).read_text())
    document.pop("name")  # the first version of the tool is older than this key
    (compose / file).write_text(yaml.safe_dump(document, sort_keys=False))
    example = ".env.example" if file == "compose.yaml" else file.replace(".yaml", ".env.example")
    lines = (ROOT / "deploy" / "compose" / example).read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and line[0] != "#")
    (compose / ".env").write_text("".join(f"{name}={text}\n" for name, text in {**given, **variables}.items()))


@contextmanager
def site(engine: Engine, base: str, network: str) -> Iterator[str]:
    """The demo's own pages, served to the containers of that network."""
    name = f"{network}-site"
    words = ("--network", network, "--network-alias", SITE, "--volume", f"{ROOT}:/sluice:ro", "--workdir", "/sluice")
    serve = ("python3", "-m", "demo.site", "--host", "0.0.0.0", "--port", str(SITE_PORT))
    engine("run", "--detach", "--name", name, *words, base, *serve)
    try:
        yield f"http://{SITE}:{SITE_PORT}"
    finally:
        engine("rm", "--force", name)


@dataclass(frozen=True)
class Client:
    """A person with a key, outside, at nginx."""

    url: str
    api_key: str

    def post(self, path: str, body: object) -> Any:
        return self._say("POST", path, json.dumps(body).encode())

    def search(self, corpus: str, query: str) -> list[dict[str, Any]]:
        """The best three. On a busy machine the gateway may give up before the model answers: asked again then."""
        ends = time.monotonic() + DONE_IN_S
        while True:
            try:
                found: list[dict[str, Any]] = self.post(
                    "/api/embedding/search", {"corpus": corpus, "query": query, "k": 3}
                )["results"]
                return found
            except AssertionError as refused:
                if "sync_timeout" not in str(refused) or time.monotonic() > ends:
                    raise

    def get(self, path: str) -> Any:
        return self._say("GET", path, None)

    def ended(self, job_id: str) -> Any:
        """The job, once it has ended."""
        path = f"/api/orchestrator/jobs/{job_id}"
        ends = ("completed", "completed_with_errors", "failed", "cancelled")
        until(lambda: self.get(path)["status"] in ends, DONE_IN_S, lambda: str(self.get(path)))
        return self.get(path)

    def _say(self, method: str, path: str, body: bytes | None) -> Any:
        headers = {"X-API-Key": self.api_key, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{method} {path}: {refused.code} {refused.read().decode()}") from None


def until(condition: Callable[[], bool], timeout_s: float, why: Callable[[], str]) -> None:
    ends = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends, why()
        time.sleep(1)
