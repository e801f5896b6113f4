"""The committed schemas are the models', and stay fit for those who send by them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.compatibility import breaking_changes
from shared.contracts.export import FOLDER, file_name, rendered, schema, write
from shared.contracts.registry import MODELS, payload_class, schema_id

REPO = Path(__file__).resolve().parents[3]


def git(*arguments: str) -> str | None:
    found = subprocess.run(["git", *arguments], cwd=REPO, capture_output=True, text=True, check=False)
    return found.stdout if found.returncode == 0 else None


def baseline() -> str:
    """What is deployed: the last release, before the first one the last commit."""
    return (git("describe", "--tags", "--abbrev=0") or "HEAD").strip()


def test_committed_schemas_equal_the_models() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert committed == rendered(), "run: python -m shared.contracts.export"


@pytest.mark.parametrize("event_type", MODELS)
def test_names_agree(event_type: str) -> None:
    assert payload_class(event_type).event_type == event_type
    assert schema(event_type)["$id"] == schema_id(event_type)
    assert schema(event_type)["additionalProperties"] is False


@pytest.mark.parametrize("event_type", MODELS)
def test_no_type_breaks_with_its_last_committed_version(event_type: str) -> None:
    old = git("show", f"{baseline()}:shared/contracts/schemas/{file_name(event_type)}")
    if old is None:
        pytest.skip("a new type, or no git history here")
    assert breaking_changes(json.loads(old), schema(event_type)) == [], "make it a new version of the type instead"


def test_writing_removes_what_is_no_type_any_more(tmp_path: Path) -> None:
    (tmp_path / "gone.v1.json").write_text("{}")
    write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(rendered())


def of(field: dict[str, Any], *, required: bool = False, **others: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"a": field} | others,
        "required": ["a"] if required else [],
        "$defs": {"Ref": {"type": "object", "properties": {"k": {"type": "string"}}}, "Loose": {"type": "object"}},
    }


TEXT, NUMBER, WHOLE, NULL = ({"type": name} for name in ("string", "number", "integer", "null"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (of(TEXT), {"type": "object", "properties": {}}),
        (of(TEXT), of(TEXT, required=True)),
        (of(TEXT), of(NUMBER)),
        (of(NUMBER), of(WHOLE)),
        (of(TEXT), of(TEXT | {"maxLength": 5})),
        (of(TEXT | {"maxLength": 5}), of(TEXT | {"maxLength": 4})),
        (of(WHOLE), of(WHOLE | {"minimum": 0})),
        (of(TEXT), of(TEXT | {"pattern": "^a"})),
        (of(TEXT), of(TEXT | {"enum": ["x"]})),
        (of(TEXT | {"enum": ["x", "y"]}), of(TEXT | {"enum": ["x"]})),
        (of({"anyOf": [TEXT, NULL]}), of(TEXT)),
        (of({"anyOf": [TEXT, NULL]}), of({"anyOf": [TEXT | {"maxLength": 1}, NULL]})),
        (of({"$ref": "#/$defs/Ref"}), of({"$ref": "#/$defs/Loose"})),
        (of({"type": "array", "items": TEXT}), of({"type": "array", "items": WHOLE})),
        (of({"type": "object", "additionalProperties": True}), of({"type": "object", "additionalProperties": False})),
    ],
    ids=repr,
)
def test_a_narrowing_is_told(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert breaking_changes(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (of(TEXT), of(TEXT, b=TEXT)),
        (of(TEXT, required=True), of(TEXT)),
        (of(WHOLE), of(NUMBER)),
        (of(TEXT | {"maxLength": 5}), of(TEXT | {"maxLength": 9})),
        (of(TEXT | {"maxLength": 5}), of(TEXT)),
        (of(TEXT | {"enum": ["x"]}), of(TEXT | {"enum": ["x", "y"]})),
        (of(TEXT | {"const": "x"}), of(TEXT | {"enum": ["x", "y"]})),
        (of(TEXT), of({"anyOf": [TEXT, NULL]})),
        (of({"$ref": "#/$defs/Ref"}), of({"type": "object", "properties": {"k": TEXT, "more": TEXT}})),
    ],
    ids=repr,
)
def test_a_widening_passes(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert breaking_changes(old, new) == []
