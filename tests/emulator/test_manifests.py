"""stack.yml as faas-cli reads it."""

from pathlib import Path
from typing import Any

import pytest

from emulator.durations import seconds
from emulator.manifests import FunctionSpec, read_stack
from shared.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]


def read(folder: Path, body: str, classes: str | None = None, **variables: str) -> tuple[FunctionSpec, ...]:
    stack = folder / "stack.yml"
    stack.write_text(body)
    classes_file = folder / "classes.yml" if classes is not None else None
    if classes_file is not None and classes is not None:
        classes_file.write_text(classes)
    return read_stack(stack, classes_file, variables)


def test_a_function_with_everything(tmp_path: Path) -> None:
    (spec,) = read(
        tmp_path,
        """
        functions:
          fetch:
            image: ${IMAGE:-own}:${TAG:-latest}
            fprocess: python -m fetch "two words"
            environment: {NUMBER: 1, FLAG: true, EMPTY: }
            secrets: [key]
            unknown: is ignored
            labels:
              dev.sluice.class: small
              com.openfaas.scale.max: 7
              com.openfaas.scale.zero-duration: 1m30s
            annotations:
              dev.sluice/routes: /api/, /events
              dev.sluice/queue: fetch
              com.openfaas.ready.http.path: /readyz
        """,
        "classes: {small: {cpu: 500, concurrency: 8, minScale: 1, max_scale: 3, timeout_s: 12.5}}",
        TAG="v2",
    )
    assert spec.command == ("python", "-m", "fetch", "two words")
    assert spec.environment == {"NUMBER": "1", "FLAG": "true", "EMPTY": ""}
    assert (spec.image, spec.secrets, spec.folder) == ("own:v2", ("key",), tmp_path)
    assert (spec.concurrency, spec.min_scale, spec.max_scale, spec.idle_s) == (8, 1, 7, 90)
    assert (spec.resources.timeout_s, spec.resources.name) == (12.5, "small")
    assert (spec.routes, spec.queue, spec.ready_path) == (("/api/", "/events"), "fetch", "/readyz")


def test_scale_to_zero_wins_over_a_minimum(tmp_path: Path) -> None:
    labels = '{com.openfaas.scale.min: "2", com.openfaas.scale.zero: "true"}'
    (spec,) = read(tmp_path, f"functions: {{f: {{fprocess: cat, labels: {labels}}}}}")
    assert spec.min_scale == 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("functions: [a]", "functions must be a mapping"),
        ("functions: {Up_per: {fprocess: cat}}", "DNS label"),
        ("functions: {f: {}}", "functions.f.fprocess says what to run"),
        ('functions: {f: {fprocess: "\'"}}', "functions.f.fprocess"),
        ("functions: {f: {fprocess: cat, labels: {dev.sluice.class: none}}}", "no resource class 'none'"),
        ("functions: {f: {fprocess: cat, labels: {com.openfaas.scale.max: x}}}", "whole number"),
        ("functions: {f: {fprocess: cat, labels: {com.openfaas.scale.zero-duration: soon}}}", "duration"),
        ("functions: {f: {fprocess: cat, environment: {A: [1]}}}", "functions.f.environment.A"),
        ("functions: {f: {fprocess: cat, environment_file: [absent.yml]}}", "absent.yml cannot be read"),
        ("functions: {f: {fprocess: cat, secrets: one}}", "functions.f.secrets must be a list"),
        ("functions: {a: b: c}", "not valid YAML"),
        ("- a", "must be a mapping"),
        ("x: " + "[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, body: str, says: str) -> None:
    with pytest.raises(InvalidInput, match="(?s)" + says.replace(".", r"\.")):
        read(tmp_path, body)


@pytest.mark.parametrize("shape", ["[{}]", "{{<<: [{}]}}"])
def test_references_may_not_multiply(tmp_path: Path, shape: str) -> None:
    lines = ["a: &a {k: v}"]
    for before, name in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{name}: &{name} {shape.format(', '.join([f'*{before}'] * 10))}")
    with pytest.raises(InvalidInput, match="refers too often"):
        read(tmp_path, "\n".join(lines))


@pytest.mark.parametrize(
    "body",
    [
        "functions: &f {f: *f}",
        "functions: {f: {fprocess: cat, environment: &e {A: *e}}}",
        "functions: {f: {fprocess: cat, secrets: &s [*s]}}",
        "functions: {f: {fprocess: cat, environment: *nobody}}",
    ],
)
def test_references_in_a_circle_or_to_nobody_are_refused(tmp_path: Path, body: str) -> None:
    with pytest.raises(InvalidInput):
        read(tmp_path, body)


def test_a_command_may_have_words_too_long_for_a_path(tmp_path: Path) -> None:
    (spec,) = read(tmp_path, f"functions: {{f: {{fprocess: python -c '{'x' * 5000}', handler: .}}}}")
    assert len(spec.command[2]) == 5000


def test_references_are_understood(tmp_path: Path) -> None:
    (spec,) = read(tmp_path, "x: &x {A: 1}\nfunctions: {f: {fprocess: cat, environment: {<<: *x, B: 2}}}")
    assert spec.environment == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('environment: {"A=B": c}', "functions.f.environment"),
        ('environment: {"": c}', "functions.f.environment"),
        ('environment: {"A": "b\\0"}', "functions.f.environment.A"),
        ('fprocess: "cat\\0"', "functions.f.fprocess"),
        ("fprocess: [cat]", "functions.f.fprocess"),
    ],
)
def test_what_no_process_can_be_given_is_refused(body: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(tmp_path, f"functions: {{f: {{fprocess: cat, {body}}}}}")
    assert refused.value.field == named


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="over"):
        read(tmp_path, "#" * 2_000_000)


def test_our_own_stack_is_deployable() -> None:
    specs: dict[str, Any] = {
        spec.name: spec for spec in read_stack(ROOT / "stack.yml", ROOT / "resource-classes.yml", {})
    }
    assert "/api" in specs["gateway"].routes
    assert specs["scrape-worker"].queue == "scrape"
    assert all(spec.resources.name for spec in specs.values())


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("1m30s", 90), ("15m", 900), ("1.5s", 1.5), ("300ms", 0.3)])
def test_durations(text: str, expected: float) -> None:
    assert seconds(text, "f") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "s", "1x", "1m 30s", "-5s", "5s!"])
def test_no_durations(text: str) -> None:
    with pytest.raises(InvalidInput, match="f must be a duration"):
        seconds(text, "f")


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("labels: {com.openfaas.scale.max: ²}", "must be a whole number"),
        (f"labels: {{com.openfaas.scale.max: '{'9' * 5000}'}}", "must be a whole number"),
        ("labels: {com.openfaas.scale.zero-duration: ²}", "must be a duration"),
        ("handler: {a: b}", "must be a single value"),
        ('handler: "\\0"', "zero byte"),
        ("labels: {a: 2001-99-99}", "not valid YAML"),
        ("labels: {a: !!int x}", "not valid YAML"),
        ("labels: {a: !!bool x}", "not valid YAML"),
        ("labels: {a: !!timestamp t}", "not valid YAML"),
    ],
    ids=lambda value: value[:50],
)
def test_what_only_looks_like_a_value_is_refused(tmp_path: Path, field: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path, f"functions: {{f: {{fprocess: cat, {field}}}}}")


@pytest.mark.parametrize("number", [".inf", ".nan", "1" + "0" * 400, "-1"])
def test_a_class_has_numbers_that_a_machine_can_have(tmp_path: Path, number: str) -> None:
    with pytest.raises(InvalidInput, match="must be a number from 0"):
        read(tmp_path, "functions: {}", f"classes: {{small: {{memory_mib: {number}}}}}")


def test_a_handler_may_be_no_folder_at_all(tmp_path: Path) -> None:
    (spec,) = read(tmp_path, f"functions: {{f: {{fprocess: cat, handler: {'x' * 5000}}}}}")
    assert spec.folder == tmp_path
