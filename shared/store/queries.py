"""Named SQL statements, read from the `.sql` files beside this module."""

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load(file: str) -> dict[str, str]:
    """Statements of `sql/<file>.sql` by name. A statement begins with a line `-- name: <name>`."""
    parts = _NAME.split((_FOLDER / f"{file}.sql").read_text(encoding="utf-8"))
    return {name: body.strip().removesuffix(";") for name, body in zip(parts[1::2], parts[2::2], strict=True)}


@cache
def names() -> dict[str, str]:
    """Of every statement by its text, as `<file>.<name>`."""
    return {sql: name for name, sql in every().items()}


def every() -> dict[str, str]:
    """All statements, as `<file>.<name>`."""
    files = sorted(path.stem for path in _FOLDER.glob("*.sql"))
    return {f"{file}.{name}": sql for file in files for name, sql in load(file).items()}
