"""`sluice openapi` and `sluice types`: made from the routes, without a platform."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from gateway.client_types import python, typescript
from gateway.client_types.shapes import types_of

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/things/{id}": {
            "post": {
                "operationId": "post_things_id",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "limit", "in": "query", "schema": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                "responses": {
                    "202": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "required": ["parts"],
                                    "properties": {
                                        "parts": {
                                            "type": "array",
                                            "items": {"type": "object", "properties": {"x-y": {"type": "number"}}},
                                        }
                                    },
                                }
                            }
                        }
                    },
                    "404": {"content": {"application/problem+json": {"schema": {}}}},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "description": "A thing */ that\nholds others.",
                "required": ["kind"],
                "properties": {
                    "kind": {"enum": ["a", "b"]},
                    "fixed": {"const": 1},
                    "inner": {"anyOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "null"}]},
                    "tags": {"type": "object", "additionalProperties": {"type": "boolean"}},
                    "anything": {},
                },
            }
        }
    },
}


def test_every_shape_has_its_typescript() -> None:
    assert typescript.written(*types_of(DOCUMENT)) == (
        "/** A thing * / that holds others. */\n"
        "export type Thing = {\n"
        '  kind: "a" | "b";\n'
        "  fixed?: 1;\n"
        "  inner?: Thing | null;\n"
        "  tags?: Record<string, boolean>;\n"
        "  anything?: unknown;\n"
        "};\n"
        "\n"
        "export type PostThingsIdQuery = {\n"
        "  limit?: number | null;\n"
        "};\n"
        "\n"
        "export type PostThingsIdBody = Thing;\n"
        "\n"
        "export type PostThingsIdAnswer = {\n"
        "  parts: Array<{\n"
        '    "x-y"?: number;\n'
        "  }>;\n"
        "};\n"
        "\n"
        "export interface Operations {\n"
        '  "POST /things/{id}": '
        "{ query: PostThingsIdQuery; body: PostThingsIdBody; answer: PostThingsIdAnswer };\n"
        "}\n"
    )


def test_every_shape_has_its_python() -> None:
    assert python.written(*types_of(DOCUMENT)).removeprefix(python.HEAD) == (
        "\n\n"
        "# A thing */ that holds others.\n"
        "Thing = TypedDict(\n"
        '    "Thing",\n'
        "    {\n"
        """        "kind": "Literal['a', 'b']",\n"""
        '        "fixed": "NotRequired[Literal[1]]",\n'
        '        "inner": "NotRequired[Thing | None]",\n'
        '        "tags": "NotRequired[dict[str, bool]]",\n'
        '        "anything": "NotRequired[Any]",\n'
        "    },\n"
        ")\n"
        "\n"
        "PostThingsIdQuery = TypedDict(\n"
        '    "PostThingsIdQuery",\n'
        "    {\n"
        '        "limit": "NotRequired[int | None]",\n'
        "    },\n"
        ")\n"
        "\n"
        'PostThingsIdBody: TypeAlias = "Thing"\n'
        "\n"
        "PostThingsIdAnswerPartsItem = TypedDict(\n"
        '    "PostThingsIdAnswerPartsItem",\n'
        "    {\n"
        '        "x-y": "NotRequired[float]",\n'
        "    },\n"
        ")\n"
        "\n"
        "PostThingsIdAnswer = TypedDict(\n"
        '    "PostThingsIdAnswer",\n'
        "    {\n"
        '        "parts": "list[PostThingsIdAnswerPartsItem]",\n'
        "    },\n"
        ")\n"
        "\n"
        "# Each operation's query, body and answer.\n"
        "# POST /things/{id}: PostThingsIdQuery, PostThingsIdBody -> PostThingsIdAnswer\n"
    )


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    assert main(["openapi", str(path)]) == 0
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _answers(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(type, example) of what each operation takes and answers."""
    for item in document["paths"].values():
        for operation in item.values():
            name = "".join(word.title() for word in operation["operationId"].split("_"))
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).get("application/json")
                if status.startswith("2") and content:
                    yield f"{name}Answer", content["example"]


def test_the_python_types_fit_every_example(document: dict[str, Any], tmp_path: Path) -> None:
    assert main(["types", "python", str(tmp_path / "client.py")]) == 0
    answers = list(_answers(document))
    assert len(answers) > 8
    uses = [f"example{n}: client.{name} = {example!r}" for n, (name, example) in enumerate(answers)]
    (tmp_path / "use.py").write_text(
        "\n".join(["import client", *uses, "wrong: client.GetHealthAnswer = {'status': 'asleep'}", ""])
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=cache", "use.py"]
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False).stdout
    assert "Found 1 error in 1 file" in said, said


def test_the_typescript_types_fit_every_example(document: dict[str, Any], tmp_path: Path) -> None:
    compiler = shutil.which("tsc")
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no tsc")
        pytest.skip("no TypeScript compiler here")
    path = tmp_path / "client.ts"
    assert main(["types", "typescript", str(path)]) == 0
    uses = [
        f"export const example{n}: sluice.{name} = {json.dumps(example)};"
        for n, (name, example) in enumerate(_answers(document))
    ]
    use = tmp_path / "use.ts"
    use.write_text("\n".join(['import type * as sluice from "./client";', *uses, ""]))
    said = subprocess.run(
        [compiler, "--noEmit", "--strict", "--skipLibCheck", use], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout


def test_a_file_that_cannot_be_written_is_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi", str(tmp_path / "missing" / "openapi.json")]) == 2
    assert "No such file" in capsys.readouterr().err
