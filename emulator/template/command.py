"""Which commands a template can stand in for: `python -m module …` and `python file.py …`."""

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.sources import is_python

_ALONE = frozenset(("-u", "-P", "-s", "-S", "-E", "-I", "-B", "-O", "-OO", "-q", "-b", "-bb"))
_WITH_VALUE = frozenset(("-X", "-W"))


@dataclass(frozen=True)
class PythonCommand:
    """`interpreter` with its options; `words` begin with `-m` or the script."""

    interpreter: tuple[str, ...]
    words: tuple[str, ...]


def python_command(command: Sequence[str]) -> PythonCommand | None:
    """None: it has to be started as it is."""
    if not is_python(command):
        return None
    at = 1
    while at < len(command) and command[at] in _ALONE | _WITH_VALUE:
        at += 2 if command[at] in _WITH_VALUE else 1
    words = tuple(command[at:])
    module = len(words) > 1 and words[0] == "-m" and not words[1].startswith("-")
    script = bool(words) and words[0].endswith(".py") and not words[0].startswith("-")
    return PythonCommand(tuple(command[:at]), words) if module or script else None
