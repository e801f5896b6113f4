"""What a command makes: into a file, or to standard output."""

from pathlib import Path

from cli.failure import CommandFailed


def put(text: str, path: Path | None) -> None:
    if path is None:
        print(text, end="")
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise CommandFailed(f"cannot write {path}: {exc.strerror}", exit_code=2) from exc
