"""The JSON Schema of every event type, for those who speak to us in other languages.

`python -m shared.contracts.export` rewrites the files beside this module.
"""

import json
from pathlib import Path
from typing import Any

from shared.contracts.registry import MODELS, payload_class, schema_id

FOLDER = Path(__file__).parent / "schemas"


def schema(event_type: str) -> dict[str, Any]:
    """As a receiver validates: a field with a default may be absent."""
    described = payload_class(event_type).model_json_schema(mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_id(event_type),
        "description": described.pop("description").strip(),
        **described,
    }


def file_name(event_type: str) -> str:
    return event_type.removeprefix("dev.sluice.") + ".json"


def rendered() -> dict[str, str]:
    """File name to content, one a type."""
    return {file_name(name): json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n" for name in MODELS}


def write(folder: Path = FOLDER) -> None:
    folder.mkdir(exist_ok=True)
    files = rendered()
    for stale in {path.name for path in folder.glob("*.json")} - files.keys():
        (folder / stale).unlink()
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write()
