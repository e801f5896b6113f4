"""Which files a function's code is made of, and which modules it takes from elsewhere: read, never imported."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

MAX_FILES = 2_000
MAX_SOURCE_BYTES = 1024 * 1024
# What a program reads beside its modules and does not write itself.
ASSETS = frozenset(
    (".cfg", ".css", ".html", ".ini", ".j2", ".jinja", ".js", ".mjs", ".sh", ".sql", ".tmpl", ".toml", ".ts", ".yaml",
     ".yml")
)  # fmt: skip
PRUNED = frozenset(("__pycache__", "build", "node_modules", "site-packages", "template"))
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<base>\.*[\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n#;]+)"
    r"|import[ \t]+(?P<plain>[^\n#;]+))",
    re.MULTILINE,
)
_BY_NAME = re.compile(r"\bimport_module\(|\b__import__\(")
# Is never run: names in there are for the type checker.
_TYPES_ONLY = re.compile(r"^if (?:typing\.)?TYPE_CHECKING:.*\n(?:[ \t]+.*\n|[ \t]*\n)*", re.MULTILINE)
_INTERPRETER = re.compile(r"python(3(\.\d+)?)?")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Sources:
    """`missing` are files that would be loaded if they were there; `foreign` modules in the order they are met."""

    modules: frozenset[Path]
    assets: frozenset[Path]
    missing: frozenset[Path]
    foreign: tuple[str, ...]

    @property
    def watched(self) -> frozenset[Path]:
        return self.modules | self.assets | self.missing


def forget_stale_bytecode(files: Iterable[Path]) -> None:
    """What is older than the last change of its source goes. Python looks at second and size: an edit may keep both."""
    for file in files:
        for cached in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            with suppress(FileNotFoundError):
                if cached.stat().st_mtime_ns <= file.stat().st_ctime_ns:
                    cached.unlink()


def is_python(command: Sequence[str]) -> bool:
    return bool(command) and _INTERPRETER.fullmatch(Path(command[0]).name) is not None


def sources_of(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Sources:
    """Where the command names nothing that is found in the folder, every file of the folder counts."""
    search = _Search(_roots(command, folder, environment))
    entries = list(search.entries(command, folder))
    if not entries:
        everything = frozenset(_below(folder, ASSETS | {".py"}))
        return Sources(frozenset(file for file in everything if file.suffix == ".py"), everything, frozenset(), ())
    search.follow()
    assets = {file for entry in entries for file in _below(entry.parent, ASSETS)}
    assets |= {entry for entry in entries if entry.suffix != ".py"}
    return Sources(frozenset(search.found), frozenset(assets), frozenset(search.missing), tuple(search.foreign))


@dataclass
class _Search:
    """From module to module. `foreign` is a dict for its order."""

    roots: tuple[Path, ...]
    found: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    missing: set[Path] = field(default_factory=set)
    foreign: dict[str, None] = field(default_factory=dict)
    _waiting: list[Path] = field(default_factory=list)
    _asked: dict[str, Path | None] = field(default_factory=dict)
    _listed: dict[Path, frozenset[str]] = field(default_factory=dict)

    def entries(self, command: Sequence[str], folder: Path) -> Iterator[Path]:
        for word in command[1:] if is_python(command) else command:
            name = word.partition(":")[0]
            file = folder / name
            if name and file.is_file() and file.is_relative_to(folder):
                self._take(file, self._package_of(file))
                yield file
            elif _MODULE.fullmatch(name) and (file_of_module := self._module(name)):
                yield file_of_module

    def follow(self) -> None:
        while self._waiting and len(self.found) < MAX_FILES:
            file = self._waiting.pop()
            text = _text(file)
            if self.found[file] and _BY_NAME.search(text):
                self._take_siblings(file)
            for name in imported(text, self.found[file]):
                if self._module(name) is None and not self._is_ours(name):
                    self.foreign[name] = None

    def _module(self, name: str) -> Path | None:
        """The file of a module, taken along with the packages above it; `-m` of a package means its `__main__`."""
        if name not in self._asked:
            self._asked[name] = self._look_for(tuple(name.split(".")))
        return self._asked[name]

    def _look_for(self, parts: tuple[str, ...]) -> Path | None:
        for root in self.roots:
            if not self._has(root, parts[0]):
                continue
            place = root.joinpath(*parts)
            for candidate in (place / "__init__.py", place.with_suffix(".py")):
                if candidate.is_file():
                    self._take_packages(root, parts)
                    package = parts if candidate.name == "__init__.py" else parts[:-1]
                    self._take(candidate, package)
                    if (main := place / "__main__.py").is_file():
                        self._take(main, package)
                    return candidate
            if place.parent.is_dir():
                self.missing.add(place.with_suffix(".py"))
        return None

    def _has(self, root: Path, top: str) -> bool:
        """Whether a module of this name can be there at all."""
        names = self._listed.get(root)
        if names is None:
            names = self._listed[root] = (
                frozenset(each.name for each in root.iterdir()) if root.is_dir() else frozenset()
            )
        if top in names or f"{top}.py" in names:
            return True
        if top not in sys.stdlib_module_names:
            self.missing.add(root / f"{top}.py")
        return False

    def _is_ours(self, name: str) -> bool:
        """Such as `package.attribute`, where only the package is a file."""
        parts = name.split(".")
        return any(self._module(".".join(parts[:length])) for length in range(len(parts) - 1, 0, -1))

    def _take_packages(self, root: Path, parts: tuple[str, ...]) -> None:
        for length in range(1, len(parts)):
            package = root.joinpath(*parts[:length], "__init__.py")
            if package not in self.found and package.is_file():
                self._take(package, parts[:length])

    def _take_siblings(self, file: Path) -> None:
        """Which of its package a module imports by a name that it computes, is not written anywhere."""
        for sibling in file.parent.glob("*.py"):
            self._take(sibling, self.found[file])

    def _take(self, file: Path, package: tuple[str, ...]) -> None:
        if file not in self.found:
            self.found[file] = package
            if file.suffix == ".py":
                self._waiting.append(file)

    def _package_of(self, file: Path) -> tuple[str, ...]:
        root = next((root for root in self.roots if file.is_relative_to(root)), file.parent)
        return file.parent.relative_to(root).parts if file.is_relative_to(root) else ()


def imported(text: str, package: tuple[str, ...]) -> Iterator[str]:
    """Every module that the text may import. `from a import b` may mean the module `a.b`: both are given."""
    for match in _IMPORT.finditer(_TYPES_ONLY.sub("", text)):
        if (plain := match["plain"]) is not None:
            yield from (name for name in _names(plain))
            continue
        base = _absolute(match["base"], package)
        if base:
            yield base
        yield from (f"{base}.{name}" if base else name for name in _names(match["names"]))


def _names(listed: str) -> Iterator[str]:
    for item in listed.strip("() \t\n\\").split(","):
        words = item.split("#")[0].split()
        if words and _MODULE.fullmatch(words[0]):
            yield words[0]


def _absolute(base: str, package: tuple[str, ...]) -> str:
    dots = len(base) - len(base.lstrip("."))
    if not dots:
        return base
    above = package[: len(package) - dots + 1]
    return ".".join((*above, *(part for part in base.lstrip(".").split(".") if part)))


def _roots(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where Python looks first: beside the script, in the folder, on PYTHONPATH as far as that is in the folder."""
    scripts = [(folder / word).parent for word in command if word.endswith(".py") and (folder / word).is_file()]
    paths = [folder / path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    return tuple(dict.fromkeys((*scripts, folder, *(path for path in paths if path.is_relative_to(folder)))))


def _below(folder: Path, suffixes: Iterable[str]) -> Iterator[Path]:
    """Without hidden folders, virtual environments and what is generated."""
    wanted, count = frozenset(suffixes), 0
    for place, folders, files in os.walk(folder):
        inside = Path(place)
        folders[:] = [name for name in folders if _is_source_folder(inside / name)]
        for name in files:
            if Path(name).suffix in wanted and not name.startswith("."):
                yield inside / name
                count += 1
        if count > MAX_FILES:
            return


def _is_source_folder(folder: Path) -> bool:
    return not (folder.name.startswith(".") or folder.name in PRUNED or (folder / "pyvenv.cfg").exists())


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_SOURCE_BYTES:
            return ""
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
