"""Functions from Services: what is run for an image, and a Service that runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.knative.functions import COMMAND_ANNOTATION, FOLDER_ANNOTATION
from emulator.manifests import FunctionSpec
from emulator.project import Project, read_project
from shared.errors import InvalidInput
from tests.emulator.conftest import write_stack
from tests.emulator.knative.test_service import FULL, manifest


def write(folder: Path, *manifests: dict[str, Any]) -> Path:
    """A folder of manifests."""
    there = folder / "manifests"
    there.mkdir(exist_ok=True)
    for at, each in enumerate(manifests):
        (there / f"{at}.yaml").write_text(yaml.safe_dump(each))
    return there


def read(folder: Path, *manifests: dict[str, Any], stack: dict[str, Any] | None = None) -> Project:
    return read_project(write_stack(folder, stack) if stack else None, write(folder, *manifests), {})


def only(project: Project) -> FunctionSpec:
    (found,) = project.functions
    return found


def test_a_service_becomes_a_function(tmp_path: Path) -> None:
    spec = only(read(tmp_path, yaml.safe_load(FULL)))
    assert spec.command == ("python", "app.py", "--port", "$(PORT)", "hi", "$(GREETING)", "$(UNKNOWN)")
    assert spec.folder == tmp_path / "manifests"
    assert (spec.name, spec.namespace, spec.image) == ("hello", "shop", "registry.example/hello:1")
    assert (spec.concurrency, spec.max_scale, spec.min_scale, spec.ready_path) == (10, 3, 0, "/ready")
    assert (spec.resources.timeout_s, spec.idle_s) == (20.0, 60.0)
    assert spec.annotations["autoscaling.knative.dev/target"] == "7"


def test_an_annotation_says_what_to_run_and_where(tmp_path: Path) -> None:
    given = manifest(args=["-v"])
    given["metadata"]["annotations"] = {COMMAND_ANNOTATION: "python 'my app.py'", FOLDER_ANNOTATION: "../code"}
    spec = only(read(tmp_path, given))
    assert spec.command == ("python", "my app.py", "-v")
    assert spec.folder == tmp_path / "code"
    assert spec.namespace == "openfaas-fn", "the namespace of those who name none has one name here"


def test_a_stack_says_what_to_run_by_name_or_by_an_image_of_its_own(tmp_path: Path) -> None:
    by_name = read(tmp_path, manifest(), stack={"hello": {"fprocess": "run me", "secrets": ["key"]}})
    assert (only(by_name).command, only(by_name).folder, only(by_name).secrets) == (("run", "me"), tmp_path, ("key",))
    entry = {"fprocess": "run it", "image": "x"}
    by_image = read(tmp_path, manifest(), stack={"other": entry})
    assert [spec.command for spec in by_image.functions] == [("run", "it")] * 2
    with pytest.raises(InvalidInput, match=r"containers\[0\]\.image: x is not pulled here"):
        read(tmp_path, manifest(), stack={"one": entry, "two": entry})


@pytest.mark.parametrize(
    ("manifests", "problem"),
    [
        (
            [manifest(command=["a"]), manifest(command=["a"])],
            "1.yaml: metadata.name: Service default/hello is there twice",
        ),
        ([manifest()], "0.yaml: spec.template.spec.containers[0].image: x is not pulled here"),
        ([manifest(command=["a"], nope=1)], "0.yaml: spec.template.spec.containers[0].nope: unknown field"),
        (
            [manifest() | {"apiVersion": "serving.knative.dev/v1beta1"}],
            "0.yaml: apiVersion: only serving.knative.dev/v1",
        ),
        ([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "?"}}], "0.yaml: data.a: "),
    ],
)
def test_errors_name_the_file(tmp_path: Path, manifests: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, *manifests)
    assert caught.value.message.startswith(problem)


def test_what_is_not_a_knative_service_is_passed_over(tmp_path: Path) -> None:
    plain = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": {"ports": []}}
    folder = write(tmp_path, plain, {"apiVersion": "apps/v1", "kind": "Deployment"})
    (folder / "list.yaml").write_text("- 1\n---\n")
    assert read_project(None, folder) == Project()


def test_without_a_max_scale_a_laptop_still_has_a_bound(tmp_path: Path) -> None:
    spec = only(read(tmp_path, manifest(command=["a"])))
    assert spec.max_scale == 20
    assert replace(spec, max_scale=1).min_scale == 0
