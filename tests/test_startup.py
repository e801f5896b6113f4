"""A process that misses a setting says which, in one line, and ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SECRETS = ("event-signing-key", "caller-hash-key")
COMPLETE = {
    "DATABASE_URL": "postgresql://127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "OBJECT_STORE_URL": "file:///nowhere",
    "BROKER_URL": "http://127.0.0.1:1",
    "FUNCTION_URL_TEMPLATE": "http://127.0.0.1:1/{name}",
    "MEMBERSHIP_URL": "http://127.0.0.1:1",
    "EMBEDDING_API_BASE_URL": "http://127.0.0.1:1/v1",
    "EMBEDDING_MODEL": "m",
}
MISSES = {
    "gateway.main": "FUNCTION_URL_TEMPLATE",
    "functions.orchestrator.main": "DATABASE_URL",
    "functions.scrape.main": "REDIS_URL",
    "functions.scrape.worker": "event-signing-key",
    "functions.chunk.main": "BROKER_URL",
    "functions.embed.main": "EMBEDDING_API_BASE_URL",
    "functions.embed.worker": "OBJECT_STORE_URL",
    "functions.search.main": "MEMBERSHIP_URL",
    "functions.membership.main": "caller-hash-key",
}


def start(module: str, folder: Path, *, without: str, **more: str) -> "subprocess.CompletedProcess[str]":
    for name in SECRETS:
        if name != without:
            (folder / name).write_bytes(b"k" * 32)
    given = {name: value for name, value in COMPLETE.items() if name != without}
    variables = {"PATH": "", "SECRETS_DIR": str(folder), "PORT": "0", "HOST": "127.0.0.1"} | given | more
    return subprocess.run(
        [sys.executable, "-m", module], env=variables, capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize("module", MISSES)
def test_a_missing_setting_is_one_line_that_names_it(module: str, tmp_path: Path) -> None:
    ended = start(module, tmp_path, without=MISSES[module])
    [line] = ended.stderr.splitlines()
    said = json.loads(line)
    assert (ended.returncode, ended.stdout, said["level"], said["field"]) == (1, "", "critical", MISSES[module])
    assert said["code"] in ("setting_missing", "secret_missing")
    assert MISSES[module] in said["message"]


@pytest.mark.parametrize(
    ("module", "variable", "value"),
    [
        ("functions.inference.main", "EMBEDDING_MODEL_DIR", "/nowhere"),
        ("functions.orchestrator.main", "PORT", "eighty"),
        ("gateway.main", "SYNC_TIMEOUT_SECONDS", "soon"),
    ],
)
def test_a_bad_setting_too(module: str, variable: str, value: str, tmp_path: Path) -> None:
    ended = start(module, tmp_path, without="", **{variable: value})
    [line] = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert json.loads(line)["level"] == "critical"
    assert variable in line or value in line
