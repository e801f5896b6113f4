"""Importing a stage loads what its first answer needs, and nothing else."""

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
