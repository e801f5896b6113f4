"""The stages by hand: `sluice chunk`, `sluice embed`, `sluice inference`."""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.main import main
from functions.inference.model import Model
from shared.model_files import model_folder
from shared.settings import Environment
from tests import shared_data
from tests.cli.conftest import Cli
from tests.functions.inference import tiny_bert
from tests.local_http import closed_port

TEXT = "\ufeffOne. Two is here.\r\n\r\nThree \x1b[31m日本.\n"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The built graph of the packaged model, wherever this run keeps it."""
    folder = tmp_path_factory.getbasetemp().parent / "models"
    Model.open(model_folder(Environment({})), folder, threads=1)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MODEL_CACHE_DIR", str(folder))
        yield


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.txt"
    path.write_bytes(TEXT.encode())
    return path


def test_chunks_as_json_are_slices_of_the_file(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chunk", "--json", "--max-tokens", "8", "--overlap", "0", str(page)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [chunk["text"] for chunk in found["chunks"]] == ["\ufeffOne. Two is here.", "Three \x1b[31m日本."]
    assert all(TEXT[chunk["start"] : chunk["end"]] == chunk["text"] for chunk in found["chunks"])
    assert [chunk["tokens"] for chunk in found["chunks"]] == [6, 7]


def test_chunks_for_people_are_a_line_each_and_harmless(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chunk", "--max-tokens", "8", "--overlap", "0", str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(maxsplit=3) == ["0", "6", "tokens", "One. Two is here."]
    assert "\x1b" not in "".join(lines)
    assert lines[-1].startswith("2 chunks, ")


async def test_a_text_comes_from_standard_input_too(sluice: Cli) -> None:
    ended = await sluice("chunk", "--json", "-", stdin="Hello there.")
    assert [chunk["text"] for chunk in ended.json()["chunks"]] == ["Hello there."]
    assert (await sluice("chunk", "-", stdin=" \n")).out == "no text, no chunks\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nowhere.txt"], 2, "cannot read nowhere.txt"),
        (["latin.txt"], 2, "not a UTF-8 text"),
        (["/dev/zero"], 2, "over the limit of 64 MiB"),
        (["--max-tokens", "3", "page.txt"], 2, "at least 8"),
        (["--overlap", "126", "page.txt"], 2, "half of max_tokens"),
    ],
)
def test_bad_usage_is_explained(
    page: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(page.parent)
    Path("latin.txt").write_bytes("é".encode("latin-1"))
    assert main(["chunk", *arguments]) == code
    assert says in capsys.readouterr().err


@pytest.mark.usefixtures("cache")
def test_vectors_by_hand_equal_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(shared_data.path("data/embeddings/minilm.json").read_bytes())["texts"]
    wanted = [row for row in rows if row["kind"] != "control" and "\x00" not in row["text"]][:6]
    assert main(["embed", "--truncate", "--json", "--", *(row["text"] for row in wanted)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model"], found["dimension"]) == ("all-MiniLM-L6-v2", 384)
    for row, vector in zip(wanted, found["vectors"], strict=True):
        assert sum(a * b for a, b in zip(row["vector"], vector, strict=True)) > 0.9999


@pytest.mark.usefixtures("cache")
def test_a_text_over_the_models_limit_is_refused_or_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", "word " * 300]) == 2
    assert "302 tokens, the model takes 256" in capsys.readouterr().err
    assert main(["embed", "--truncate", "word " * 300]) == 0
    assert "256 tokens, 384 dimensions" in capsys.readouterr().out


async def test_the_endpoint_runs_alone_until_it_is_stopped(sluice: Cli, tmp_path: Path) -> None:
    folder = tiny_bert.write(tmp_path / "tiny", tiny_bert.random_weights())
    port = closed_port()
    process = await sluice.start("inference", "--port", str(port), "--model", str(folder))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        await ready(http)
        served = (await http.get("/v1/models")).json()["data"]
        answer = await http.post("/v1/embeddings", json={"model": "tiny", "input": "a b"})
    process.terminate()
    await process.communicate()
    assert [model["id"] for model in served] == ["tiny"]
    assert len(answer.json()["data"][0]["embedding"]) == tiny_bert.HIDDEN
    assert process.returncode == 0
    assert not list(sluice.folder.rglob("*onnxruntime*")), "its telemetry keeps files in the home folder"


async def test_the_endpoint_says_when_its_port_is_not_to_be_had(sluice: Cli, tmp_path: Path) -> None:
    folder = str(tiny_bert.write(tmp_path / "tiny", tiny_bert.random_weights()))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await sluice("inference", "--model", folder, "--port", str(port))
    assert (ended.code, f"port {port} cannot be used" in ended.err) == (1, True)
    ended = await sluice("inference", "--model", folder, "--port", "99999")
    assert (ended.code, "a port is a number from 1 to 65535" in ended.err) == (2, True)


async def ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.02)


async def test_a_folder_that_is_no_model_is_refused_at_once(sluice: Cli, tmp_path: Path) -> None:
    ended = await sluice("inference", "--port", str(closed_port()), "--model", str(tmp_path))
    assert ended.code == 2
    assert "lacks config.json, tokenizer.json, model.safetensors" in ended.err
