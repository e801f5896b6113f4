"""A description that cannot be right is refused with file, line and what to write."""

import re
from pathlib import Path

import pytest

from cli.main import main
from rendering import description
from shared.errors import InvalidInput
from tests.rendering.world import copied

SPOILED = [
    ("stack.yml", "    fprocess: python -m functions.chunk.main", "    fproces: x", "fprocess", "is missing; write"),
    ("stack.yml", "    lang: dockerfile\n", "    lang: dockerfile\n    memory: 3\n", "memory", "is no field here"),
    (
        "stack.yml",
        "limits: {memory: 512Mi, cpu: 500m}",
        "limits: {memory: 512MB, cpu: 500m}",
        "limits",
        "memory: 512Mi",
    ),
    (
        "stack.yml",
        "    limits: {",
        "    limit: {",
        "gateway.limits",
        "is missing; write limits: {memory: 512Mi, cpu: 500m}",
    ),
    ("stack.yml", "{dev.sluice.class: edge}", "{dev.sluice.class: huge}", "labels", "there is no class huge"),
    ("stack.yml", "labels: {dev.sluice.class: edge}", "labels: {a: b}", "labels", "has no class"),
    ("stack.yml", "  chunk:\n", "  " + "c" * 64 + ":\n", "c" * 64, "at most 63"),
    ("stack.yml", "  chunk:\n", "  Chunk_1:\n", "Chunk_1", "lower-case letters"),
    ("stack.yml", "dev.sluice/vm: chunking", "dev.sluice/vm: sixth", "annotations", "one of gateway"),
    ("stack.yml", "{FUNCTION: chunk,", "{FUNCTION: embed,", "build_args", "FUNCTION: chunk"),
    ("stack.yml", "  search:\n", "  chunk:\n", "functions.chunk", "stands twice"),
    ("resource-classes.yml", "cpu: 8000", "cpu: 8 cores", "gpu-h100.cpu", "whole number"),
    ("resource-classes.yml", "memory_mib: 32768", "memory_mib: -1", "gpu-h100.memory_mib", "at least 1"),
    ("resource-classes.yml", "    gpu: 1\n", "    gpus: 1\n", "gpu-h100.gpus", "is no field here"),
    ("resource-classes.yml", "cpu: 8000", "cpu: 8000000", "gpu-h100.cpu", "millicores"),
    (
        "resource-classes.yml",
        "cpu_request: 250,  memory_mib: 512",
        "cpu_request: 900,  memory_mib: 512",
        "edge",
        "at most 500",
    ),
    ("resource-classes.yml", "class: gpu-h100", "class: gpu-b200", "inference.class", "there is no class gpu-b200"),
    ("triggers/chunk.yaml", "  broker: default", "  broker: default\n  retries: 3", "spec.retries", "is no field here"),
    ("triggers/chunk.yaml", "name: chunk,", "name: chnk,", "spec", "there is no function chnk"),
    ("triggers/chunk.yaml", "chunk.requested.v1", "chunk.wanted.v1", "spec", "is no event type of ours"),
    ("triggers/chunk.yaml", "chunk.requested.v1", "embed.requested.v1", "spec", "handled by chunk already"),
    ("triggers/chunk.yaml", "eventing.knative.dev/v1\n", "eventing.knative.dev/v2\n", "apiVersion", "write eventing"),
    ("triggers/chunk.yaml", "name: chunk-chunk-requested", "name: " + "c" * 64, "name", "63 characters"),
]


@pytest.mark.parametrize(("file", "old", "new", "field", "advice"), SPOILED)
def test_a_slip_is_named(file: str, old: str, new: str, field: str, advice: str, tmp_path: Path) -> None:
    project = copied(tmp_path)
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new, 1))
    with pytest.raises(InvalidInput) as refused:
        description.read(project, {})
    said = refused.value.message
    place = re.match(rf"{file if 'embed.req' not in new else 'triggers/embed.yaml'}:(\d+): ", said)
    assert place, said
    assert field in said
    assert advice in said


def test_the_line_is_the_one_at_fault(tmp_path: Path) -> None:
    project = copied(tmp_path)
    lines = (project / "stack.yml").read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if "limits" in line)
    lines[at] = "    limits: {memory: a lot}"
    (project / "stack.yml").write_text("\n".join(lines))
    with pytest.raises(InvalidInput, match=rf"^stack\.yml:{at + 1}: functions\.gateway\.limits: "):
        description.read(project, {})


def test_an_event_that_nobody_handles_is_named(tmp_path: Path) -> None:
    project = copied(tmp_path)
    (project / "triggers" / "chunk.yaml").unlink()
    with pytest.raises(InvalidInput, match=r"nobody handles dev\.sluice\.chunk\.requested\.v1; write a Trigger"):
        description.read(project, {})


@pytest.mark.parametrize("text", ["functions: [", "a: *b", "\tx", "functions: 3", ""])
def test_no_text_ends_it_otherwise_than_with_a_sentence(text: str, tmp_path: Path) -> None:
    project = copied(tmp_path)
    (project / "stack.yml").write_text(text)
    with pytest.raises(InvalidInput, match=r"^stack\.yml"):
        description.read(project, {})


def test_the_command_says_so_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = copied(tmp_path)
    (project / "triggers" / "broker.yaml").unlink()
    assert main(["render", "--project", str(project), "knative"]) == 2
    assert "has no Broker" in capsys.readouterr().err
