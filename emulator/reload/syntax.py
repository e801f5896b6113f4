"""Whether Python would read these files at all."""

import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

from emulator.manifests import FunctionSpec


def fault(spec: FunctionSpec, files: Iterable[Path]) -> str:
    """The first error with its place, "" for none. Only for functions that run under our own Python's version."""
    if spec.command[0] not in ("python", "python3", sys.executable):
        return ""
    for file in sorted(files):
        if file.suffix == ".py" and (said := _fault(file)):
            where = file.relative_to(spec.folder) if file.is_relative_to(spec.folder) else file
            return f"{where}{said}"
    return ""


def _fault(file: Path) -> str:
    try:
        source = file.read_bytes()
    except OSError:
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, str(file), "exec", dont_inherit=True)
    except SyntaxError as error:
        return f", line {error.lineno}: {error.msg}"
    except ValueError as error:
        return f": {error}"
    return ""
