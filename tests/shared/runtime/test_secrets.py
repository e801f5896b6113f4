"""What a process writes, by whatever path, says no secret that it knows: each line is JSON, and hides them."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.local_http import closed_port

REPO = Path(__file__).resolve().parents[3]
# With whatever a spelling may change.
PASSWORD = 'pg-p@ss/w"o\\rd é %41+1'
SECRETS = {
    "event-signing-key": "first-signing-key-of-two\nsecond/signing+key=of-two",
    "caller-hash-key": "the-key-that-hashes-callers",
    "embedding-api-key": "an-embedder's key",
    "admin-api-key": "slk_the-key-of-the-admin",
}
OTEL_KEY, AWS_KEY, BROKER_PASSWORD = "a-vendor's-key-of-telemetry", "aws/secret+access=key", "the-broker-s-password"
PLANTED = [*(line for secret in SECRETS.values() for line in secret.split("\n")), PASSWORD, OTEL_KEY, AWS_KEY]
PLANTED += [BROKER_PASSWORD]

PROGRAM = """
import asyncio, logging, os, sys, threading, warnings
from shared.runtime.startup import starting
from shared.settings import Environment

class Falling:
    def __del__(self):
        raise RuntimeError(said())

def said():
    return f"{planted()} {planted()!r} {os.environ['DATABASE_URL']} {str(planted()).encode()}"

def planted():
    return eval(os.environ["PLANTED"])

def falls():
    raise ValueError(said())

async def forgotten():
    asyncio.get_running_loop().create_task(fails())
    await asyncio.sleep(0)

async def fails():
    falls()

with starting("test"):
    env = Environment(os.environ)
    env.text("DATABASE_URL"), env.text("BROKER_URL")
    for name in os.listdir(env.secrets_dir):
        env.secret(name)
log = logging.getLogger("ours")
log.warning("message of ours: %s", said())
detail = {"told": [said()], said(): {"exc": ValueError(said())}}
log.warning("fields of ours", extra={"subject": said(), "detail": detail})
logging.getLogger("some.library").error("of a library: " + said())
try:
    falls()
except ValueError:
    log.exception("caught by us")
asyncio.run(forgotten())
thread = threading.Thread(target=falls)
thread.start()
thread.join()
Falling()
warnings.warn(said())
falls()
"""
PATHS = {
    "message_of_ours",
    "fields_of_ours",
    "caught_by_us",
    "a_thread_ended_by_an_exception",
    "an_exception_where_nobody_can_catch_one",
    "ended_by_an_exception_that_nobody_caught",
}


def variables(folder: Path) -> dict[str, str]:
    """An environment full of secrets, in which nobody can be reached."""
    secrets = folder / "secrets"
    secrets.mkdir()
    for name, secret in SECRETS.items():
        (secrets / name).write_text(secret + "\n")
    nobody = f"127.0.0.1:{closed_port()}"
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPO),
        "PORT": str(closed_port()),
        "HOST": "127.0.0.1",
        "SECRETS_DIR": str(secrets),
        "DATABASE_URL": f"postgresql://sluice:{quote(PASSWORD, safe='')}@{nobody}/sluice",
        "REDIS_URL": f"redis://:{quote(PASSWORD, safe='')}@{nobody}/0",
        "BROKER_URL": f"http://sluice:{BROKER_PASSWORD}@{nobody}/",
        "MEMBERSHIP_URL": f"http://sluice:{BROKER_PASSWORD}@{nobody}/",
        "EMBEDDING_API_BASE_URL": f"http://sluice:{BROKER_PASSWORD}@{nobody}/v1",
        "FUNCTION_URL_TEMPLATE": f"http://sluice:{BROKER_PASSWORD}@{nobody}/{{name}}",
        "EMBEDDING_MODEL": "a-model",
        "OBJECT_STORE_URL": "s3://bucket/prefix",
        "AWS_ENDPOINT_URL": f"http://{nobody}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "an-id",
        "AWS_SECRET_ACCESS_KEY": AWS_KEY,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://sluice:{BROKER_PASSWORD}@{nobody}",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-vendor={quote(OTEL_KEY)}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "PLANTED": repr(PLANTED),
        "PYTHONWARNINGS": "default",
    }


async def written(words: list[str], env: Mapping[str, str], stop_after_s: float | None = None) -> tuple[int, str]:
    """Its exit status and standard error; with `stop_after_s` it is told to end so long after it began to speak."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words), cwd=REPO, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(90):
            if stop_after_s is None:
                out, err = await process.communicate()
                return process.returncode or 0, (out + err).decode()
            assert process.stderr is not None
            first = await process.stderr.readline()
            await asyncio.sleep(stop_after_s)
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            out, err = await process.communicate()
            return process.returncode or 0, (first + out + err).decode()
    finally:
        if process.returncode is None:
            process.kill()


def leaks(text: str) -> list[str]:
    """In any spelling, also as the name of an event would have it, in letters alone."""
    found = []
    letters = re.sub("[^a-z]+", "_", text.lower())
    for secret in PLANTED:
        spellings = {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        found += [spelt for spelt in spellings if spelt in text or json.dumps(spelt)[1:-1] in text]
        found += [name] if (name := re.sub("[^a-z]+", "_", secret.lower()).strip("_")) in letters else []
    return found


def read(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_by_no_path_does_a_process_write_a_secret(tmp_path: Path) -> None:
    status, text = await written(["-c", PROGRAM], variables(tmp_path))
    lines = read(text)
    assert status == 1
    assert leaks(text) == []
    assert {line["action"] for line in lines} >= PATHS
    assert {"some.library", "py.warnings", "asyncio"} <= {line["logger"] for line in lines}
    assert {line["service"] for line in lines} == {"test"}
    assert text.count("REDACTED") > len(PLANTED) * len(PATHS)


@pytest.mark.parametrize(
    "module",
    [
        *("gateway.main", "functions.orchestrator.main", "functions.search.main"),
        *("functions.embed.worker", "shared.store.migrate"),
    ],
)
async def test_a_process_that_reaches_nobody_complains_without_a_secret(module: str, tmp_path: Path) -> None:
    _, text = await written(["-m", module], variables(tmp_path), 1.0)
    assert text
    assert leaks(text) == []
    if module != "shared.store.migrate":
        assert {"warning", "error", "critical"} & {line["level"] for line in read(text)}
