"""Every manifest is one that a strict cluster takes, and says what a cluster must be told."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.lint.rules import lint
from rendering import knative
from shared.contracts.registry import MODELS
from tests.rendering.world import ROOT, Json, documents, ours, problems

DESCRIPTION = ours()
TIERS = list(DESCRIPTION.tiers)
HOLDERS = ("Deployment", "Service", "Job", "ScaledJob")


def everything(tier: str, tick: knative.Tick = "keda") -> list[Json]:
    return knative.everything(DESCRIPTION, DESCRIPTION.tiers[tier], tick)


def of(kind: str, name: str, tier: str = "h100") -> Json:
    [found] = [each for each in everything(tier) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pod_of(manifest: Json) -> Json:
    spec = manifest["spec"]
    template = spec["jobTargetRef"]["template"] if manifest["kind"] == "ScaledJob" else spec.get("template")
    return template["spec"] if template else {}


def pods(tier: str) -> Iterator[tuple[str, Json]]:
    for each in everything(tier):
        if each["kind"] in HOLDERS and pod_of(each):
            yield each["metadata"]["name"], pod_of(each)


@pytest.mark.parametrize("tick", knative.TICKS)
@pytest.mark.parametrize("tier", TIERS)
def test_no_field_is_unknown_or_wrong(tier: str, tick: knative.Tick) -> None:
    found = everything(tier, tick)
    assert len(found) > 60
    assert [(each["kind"], each["metadata"]["name"], why) for each in found for why in problems(each)] == []


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        ("Deployment", "embed-worker", ("spec", "template", "spec", "containers", 0)),
        ("NetworkPolicy", "dns", ("spec",)),
        ("Service", "chunk", ("spec", "template", "spec")),
        ("PodDisruptionBudget", "chunk", ("spec",)),
        ("ScaledObject", "embed-worker", ("spec",)),
        ("ScaledJob", "tick", ("spec",)),
    ],
)
def test_the_schemas_do_refuse_an_unknown_field(kind: str, name: str, path: tuple[Any, ...]) -> None:
    manifest = yaml.safe_load(yaml.safe_dump(of(kind, name)))
    inner = manifest
    for step in path:
        inner = inner[step]
    inner["unheardOf"] = 1
    assert any("unheardOf" in why for why in problems(manifest))


@pytest.mark.parametrize("tier", TIERS)
def test_names_are_unique_and_in_one_namespace(tier: str) -> None:
    found = everything(tier)
    names = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(names)) == len(names)
    assert {each["metadata"].get("namespace") for each in found if each["kind"] != "Namespace"} == {"sluice"}


@pytest.mark.parametrize("tier", TIERS)
def test_nobody_has_a_right_that_it_does_not_need(tier: str) -> None:
    accounts = {each["metadata"]["name"] for each in everything(tier) if each["kind"] == "ServiceAccount"}
    for name, pod in pods(tier):
        assert pod["serviceAccountName"] in accounts, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            security = container["securityContext"]
            assert security["runAsNonRoot"], name
            assert security["readOnlyRootFilesystem"], name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert container["resources"]["limits"]["memory"], name


@pytest.mark.parametrize("tier", TIERS)
def test_no_secret_is_written_out(tier: str) -> None:
    assert [each for each in everything(tier) if each["kind"] == "Secret"] == []
    for _, pod in pods(tier):
        for container in pod["containers"]:
            named = {each["name"] for each in container.get("env", ())}
            assert named & {"DATABASE_URL", "REDIS_URL", "AWS_SECRET_ACCESS_KEY"} == set()


@pytest.mark.parametrize("tier", TIERS)
def test_whoever_answers_or_works_may_be_moved_one_at_a_time(tier: str) -> None:
    budgets = {each["metadata"]["name"]: each for each in everything(tier) if each["kind"] == "PodDisruptionBudget"}
    lasting = {name for name, _ in pods(tier)} - {"migrate", "tick"}
    assert set(budgets) == lasting


def test_only_the_gateway_is_reachable_from_outside() -> None:
    services = [each for each in everything("cpu") if each["apiVersion"] == "serving.knative.dev/v1"]
    inside = [
        s for s in services if s["metadata"]["labels"].get("networking.knative.dev/visibility") == "cluster-local"
    ]
    assert {s["metadata"]["name"] for s in services if s not in inside} == {"gateway"}


def test_a_service_gets_what_its_class_says() -> None:
    pod = pod_of(of("Service", "chunk"))
    assert (pod["containerConcurrency"], pod["timeoutSeconds"]) == (32, 30)
    assert pod["containers"][0]["resources"]["limits"] == {"memory": "256Mi", "cpu": "500m"}
    annotations = of("Service", "chunk")["spec"]["template"]["metadata"]["annotations"]
    prefix = "autoscaling.knative.dev"
    assert (annotations[f"{prefix}/min-scale"], annotations[f"{prefix}/max-scale"]) == ("0", "10")


def test_a_setting_of_the_stack_alone_goes_along_and_the_cluster_s_own_win() -> None:
    [container] = pod_of(of("Service", "gateway"))["containers"]
    assert "env" not in container, "all that stack.yml says of the gateway is decided by the cluster"
    settings = of("ConfigMap", "sluice-settings")["data"]
    assert settings["EVENT_SINK"] == "broker"
    assert settings["FUNCTION_URL_TEMPLATE"] == "http://{name}.sluice.svc.cluster.local"


def test_every_event_type_is_there_with_its_schema() -> None:
    found = [each["spec"] for each in everything("cpu") if each["kind"] == "EventType"]
    assert len(found) == len(MODELS)
    assert all(yaml.safe_load(each["schemaData"])["$id"] == each["schema"] for each in found)


@pytest.mark.parametrize("folder", ["knative/base", "knative/overlays/cpu", "knative/overlays/h100"])
def test_the_emulator_s_lint_finds_nothing_wrong(folder: str) -> None:
    findings = lint(ROOT / "stack.yml", ROOT / "deploy" / folder)
    known = {"feature-flag"}  # GPU nodes are asked of Deployments only; Services ask for none
    assert [each for each in findings if each.severity == "error" or each.code not in known] == []


@pytest.mark.parametrize("tier", TIERS)
def test_kustomize_builds_the_same(tier: str) -> None:
    kustomize = shutil.which("kustomize"), shutil.which("kubectl")
    command = [kustomize[0], "build"] if kustomize[0] else [kustomize[1], "kustomize"] if kustomize[1] else None
    if command is None:
        pytest.skip("neither kustomize nor kubectl is on the PATH")
    folder = ROOT / "deploy" / "knative" / "overlays" / tier
    built = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=True, timeout=60)
    assert _sorted(yaml.safe_load_all(built.stdout)) == _sorted(everything(tier))


def _sorted(manifests: Any) -> list[Json]:
    return sorted(manifests, key=lambda each: (each["kind"], each["apiVersion"], each["metadata"]["name"]))


def test_every_file_of_a_folder_is_in_its_kustomization() -> None:
    for file in (ROOT / "deploy").rglob("kustomization.yaml"):
        [kustomization] = documents(file)
        beside = {each.name for each in file.parent.glob("*.yaml")} - {file.name}
        assert beside == {each for each in kustomization["resources"] if not each.startswith("..")}, file
        assert all((file.parent / Path(each)).exists() for each in kustomization["resources"]), file
