"""Importing a stage loads what its first answer needs, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STAGES = sorted(path.parent.name for path in (Path(__file__).resolve().parents[2] / "functions").glob("*/main.py"))
HEAVY = {
    *("httpx", "openai", "rq", "redis", "asyncpg", "obstore", "trafilatura", "tokenizers", "aiohttp", "numpy"),
    *("fastapi", "starlette", "functions_framework", "cloudevents", "h11", "uvloop", "yaml", "onnx", "onnxruntime"),
    *("prometheus_client", "opentelemetry", "lxml", "uvicorn", "click", "multiprocessing"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_starts_lean(stage: str) -> None:
    program = f"import functions.{stage}.main, sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) & HEAVY == set()


# Everything that starts as a process of its own, with what it imports before it forks or serves.
PROCESSES = {
    **{stage: f"import functions.{stage}.main" for stage in STAGES},
    "gateway": "import gateway.main",
    "scrape-worker": "from functions.scrape import worker; worker._preload()",
    "embed-worker": "from functions.embed import worker; worker._preload()",
    "emulator": "import emulator.app, cli.platform",
    "tick": "import shared.runtime.tick",
    "command line": "import cli.main",
}
SDK = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf")
_START = """
import os, sys
from observe import tracing
{imports}
tracing.setup("test", os.environ)
tracing.preload()
with tracing.span("request", kind="server"), tracing.span("inner"):
    tracing.record("wait", 1.0, 2.0)
tracing.flush()
print(*sys.modules)
"""


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
def test_only_a_process_that_exports_loads_the_sdk(process: str, endpoint: str) -> None:
    variables = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "0.1"}
    program = _START.format(imports=PROCESSES[process])
    found = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True)
    loaded = {name for name in found.stdout.split() if name.startswith(SDK)}
    assert bool(loaded) is bool(endpoint)


_FORK = """
import os, sys
from observe import tracing
tracing.setup("test", os.environ)
tracing.preload()
before = set(sys.modules)
if os.fork():
    os.wait()
else:
    with tracing.span("request", kind="server"):
        pass
    tracing.flush()
    print(*(set(sys.modules) - before))
"""


def test_what_exports_is_there_before_a_worker_forks() -> None:
    variables = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.1"}
    found = subprocess.run([sys.executable, "-c", _FORK], env=variables, capture_output=True, text=True, check=True)
    late = set(found.stdout.split()) & {"requests", "urllib3", "ssl", "google.protobuf", *SDK}
    assert late == set()
    assert len(found.stdout.split()) < 10, found.stdout
