"""What a function pays for before its first answer."""

import subprocess
import sys

HEAVY = {
    *("httpx", "openai", "rq", "redis", "asyncpg", "obstore", "trafilatura", "tokenizers", "aiohttp", "numpy"),
    *("fastapi", "starlette", "functions_framework", "cloudevents", "h11", "websockets", "uvloop", "yaml"),
    *("prometheus_client", "opentelemetry", "xml", "unittest", "uvicorn"),
}


def loaded_by(statement: str) -> set[str]:
    program = f"{statement}\nimport sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_the_runtime_and_the_contracts_load_nothing_heavy() -> None:
    loaded = loaded_by("import tests.shared.runtime.echo")
    assert loaded & HEAVY == set()


def test_serving_leaves_out_uvicorn_s_command_line() -> None:
    loaded = loaded_by(
        "from shared.runtime.host import _leave_out_the_command_line\n"
        "_leave_out_the_command_line()\n"
        "import shared.runtime.server, uvicorn.protocols.http.httptools_impl, uvicorn.lifespan.off"
    )
    assert "uvicorn.server" in loaded
    assert loaded & (HEAVY - {"uvicorn"} | {"click", "multiprocessing", "uvicorn.main"}) == set()
