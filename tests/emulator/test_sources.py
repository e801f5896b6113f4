"""What belongs to a function's code."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from emulator.sources import imported, sources_of


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def names(folder: Path, files: frozenset[Path]) -> set[str]:
    return {str(file.relative_to(folder)) for file in files}


def test_modules_are_followed_through_packages_and_relative_imports(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "shop/__init__.py": "",
            "shop/main.py": "from . import prices\nfrom .rules.tax import rate, (\n)\nimport yaml",
            "shop/prices.py": "def late():\n    from shop.money import (\n        euro,  # a comment\n    )",
            "shop/money.py": "",
            "shop/rules/__init__.py": "",
            "shop/rules/tax.py": "from ..money import euro\nif TYPE_CHECKING:\n    import pandas\n",
            "shop/unused.py": "",
            "other.py": "",
        },
    )
    found = sources_of(("python", "-m", "shop.main"), tmp_path, {})
    met = {"__init__.py", "main.py", "prices.py", "money.py", "rules/__init__.py", "rules/tax.py"}
    assert names(tmp_path, found.modules) == {f"shop/{name}" for name in met}
    assert "yaml" in found.foreign
    assert "pandas" not in found.foreign, "the type checker's alone"
    assert tmp_path / "yaml.py" in found.missing, "it would come first if it were there"


def test_an_application_is_found_in_the_arguments_of_a_server(tmp_path: Path) -> None:
    write(tmp_path, {"web.py": "import helper", "helper.py": "", "page.html": "", "notes.md": "", "other.py": ""})
    found = sources_of(("python", "-m", "uvicorn", "web:app", "--port", "80"), tmp_path, {})
    assert names(tmp_path, found.modules) == {"web.py", "helper.py"}
    assert names(tmp_path, found.assets) == {"page.html"}


def test_modules_named_by_what_is_computed_are_those_of_the_package(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "kinds/__init__.py": "",
            "kinds/registry.py": "from importlib import import_module\nimport_module(f'kinds.{name}')",
            "kinds/one.py": "",
            "run.py": "import kinds.registry",
        },
    )
    found = sources_of(("python", "run.py"), tmp_path, {})
    assert names(tmp_path, found.modules) == {"run.py", "kinds/__init__.py", "kinds/registry.py", "kinds/one.py"}


def test_everything_counts_where_the_command_names_no_file(tmp_path: Path) -> None:
    write(
        tmp_path, {"a.py": "", "sub/b.sh": "", ".git/c.py": "", "env/pyvenv.cfg": "", "env/d.py": "", "data.json": ""}
    )
    assert names(tmp_path, sources_of(("serve",), tmp_path, {}).watched) == {"a.py", "sub/b.sh"}


def test_a_script_looks_beside_itself_first(tmp_path: Path) -> None:
    write(tmp_path, {"fn/main.py": "import helper", "fn/helper.py": "", "helper.py": ""})
    assert names(tmp_path, sources_of(("python", "fn/main.py"), tmp_path, {}).modules) == {"fn/main.py", "fn/helper.py"}


@given(st.text(max_size=300))
def test_no_text_stops_the_search(text: str) -> None:
    assert all(isinstance(name, str) for name in imported(text, ("a", "b")))


@given(st.lists(st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,2}", fullmatch=True), min_size=1, max_size=5))
def test_plain_imports_are_all_found(modules: list[str]) -> None:
    assert list(imported(f"import {', '.join(modules)}", ())) == modules
