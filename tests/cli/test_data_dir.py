"""The secrets of a local platform."""

import stat
from pathlib import Path

from cli import data_dir
from cli.environment import platform_environment
from observe.redaction import REDACTED, redacted
from shared.embeddings.client import NO_KEY, EndpointSettings
from shared.settings import Environment


def api_key(folder: Path) -> str:
    variables = {"EMBEDDING_API_BASE_URL": "http://127.0.0.1:1/v1", "SECRETS_DIR": str(folder / "secrets")}
    return EndpointSettings.read(Environment(variables)).api_key


def test_secrets_and_key_are_made_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    data_dir.prepare(folder, {})
    key, made = data_dir.api_key(folder)
    before = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    data_dir.prepare(folder, {})
    assert made
    assert data_dir.api_key(folder) == (key, False)
    assert set(before) == {*data_dir.SECRETS, data_dir.EMBEDDING_KEY, *data_dir.ELSEWHERE}
    assert before == {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    assert [len(before[name].strip()) for name in data_dir.SECRETS] == [64, 64]
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    private = [folder / "api-key", *(folder / "secrets").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_an_endpoint_without_a_key_gets_none_and_a_key_given_once_is_kept(tmp_path: Path) -> None:
    data_dir.prepare(tmp_path, {})
    assert api_key(tmp_path) == NO_KEY
    data_dir.prepare(tmp_path, {"EMBEDDING_API_KEY": "the-first-key"})
    data_dir.prepare(tmp_path, {})
    assert api_key(tmp_path) == "the-first-key"
    data_dir.prepare(tmp_path, {"EMBEDDING_API_KEY": "the-second-key"})
    assert api_key(tmp_path) == "the-second-key"
    assert redacted("the-first-key, the-second-key") == f"{REDACTED}, {REDACTED}"


def test_no_line_of_the_platform_says_what_it_made(tmp_path: Path) -> None:
    data_dir.prepare(tmp_path, {})
    key, _ = data_dir.api_key(tmp_path)
    made = [key, *((tmp_path / "secrets" / name).read_text().strip() for name in data_dir.SECRETS)]
    assert [redacted(f"({each})") for each in made] == [f"({REDACTED})"] * 3


def test_the_key_is_in_no_function_s_environment() -> None:
    given = {"EMBEDDING_API_KEY": "secret", "EMBEDDING_MODEL": "m", "OBJECT_KEEP_HOURS": "48", "HOME": "/root"}
    variables = platform_environment(port=1, database_url="", redis_url="", object_store_url="", given=given)
    assert "secret" not in variables.values()
    assert (variables["EMBEDDING_MODEL"], variables["OBJECT_KEEP_HOURS"], "HOME" in variables) == ("m", "48", False)
