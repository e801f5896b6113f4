"""Each rule finds what it is for, with its field, and is silent about the rest."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.lint.findings import Finding
from emulator.lint.rules import RULES, lint
from emulator.openfaas.community import Edition
from tests.cli.test_emulate import BROKER, trigger
from tests.emulator.knative.test_service import SPEC, changed, manifest

ROOT = Path(__file__).resolve().parents[3]
OUTSIDE = "http://elsewhere.example/"
SINK: dict[str, Any] = BROKER | {"spec": {"delivery": {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT1S"}}}
SINK["spec"]["delivery"]["deadLetterSink"] = {"uri": OUTSIDE}
WANTED = {"filter": {"attributes": {"type": "x"}}}


def found(
    folder: Path,
    *manifests: dict[str, Any],
    stack: dict[str, Any] | None = None,
    classes: dict[str, Any] | None = None,
    edition: Edition = "pro",
) -> list[Finding]:
    file, there = folder / "stack.yml", folder / "manifests"
    there.mkdir()
    (there / "all.yaml").write_text(yaml.safe_dump_all(manifests))
    bodies = {name: {"fprocess": "python app.py", **body} for name, body in (stack or {}).items()}
    file.write_text(yaml.safe_dump({"provider": {"name": "openfaas"}, "functions": bodies}))
    if classes:
        (folder / "resource-classes.yml").write_text(yaml.safe_dump({"classes": classes}))
    return lint(file if stack else None, there, edition)


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.code, finding.said.field) for finding in findings]


def fn(name: str = "fn") -> str:
    return f"http://{name}.shop.svc.cluster.local"


@pytest.mark.parametrize("edition", ["pro", "ce"])
def test_a_good_project_lints_clean(tmp_path: Path, edition: Edition) -> None:
    entry = {"image": "owner/fn:1", "lang": "dockerfile", "labels": {"com.openfaas.scale.max": "5"}}
    service = changed("metadata.name", "other", manifest(command=["python", "app.py"]))
    given = (SINK, trigger("t", fn(), **WANTED), trigger("u", fn("other"), **WANTED), service)
    assert found(tmp_path, *given, stack={"fn": entry}, edition=edition) == []


def test_our_own_manifests_lint_clean() -> None:
    assert lint(ROOT / "stack.yml", ROOT / "triggers") == []


def test_community_edition_takes_our_own_as_it_is() -> None:
    assert lint(ROOT / "stack.yml", ROOT / "triggers", "ce") == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, [("filter-passes-all", "spec.filter")]),
        ({"filter": {"attributes": {}}}, [("filter-passes-all", "spec.filter")]),
        (
            {"filters": [{"exact": {"type": ""}}]},
            [("filter-passes-all", "spec.filters"), ("filter-item-skipped", "spec.filters[0]")],
        ),
        ({"filters": [{"any": [{"cesql": "1 + 1"}]}]}, [("cesql-not-boolean", "spec.filters[0].any[0].cesql")]),
        ({"filters": [{"not": {"cesql": "CONCAT(type, 'x')"}}]}, [("cesql-not-boolean", "spec.filters[0].not.cesql")]),
        ({"filters": [{"cesql": "flag"}]}, [("cesql-maybe-not-boolean", "spec.filters[0].cesql")]),
        ({"filters": [{"cesql": "flag = 'true'"}]}, []),
        (
            WANTED | {"delivery": {"deadLetterSink": {"uri": OUTSIDE}}},
            [("delivery-without-retries", "spec.delivery")],
        ),
        (WANTED | {"delivery": {"timeout": "PT5S"}}, [("delivery-without-retries", "spec.delivery")]),
        (WANTED | {"delivery": {}}, []),
        (WANTED | {"delivery": {"retry": 3}}, [("delivery-without-backoff", "spec.delivery")]),
        (
            WANTED
            | {"delivery": {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT1S", "retryAfterMax": "PT9S"}},
            [("delivery-retry-after", "spec.delivery.retryAfterMax")],
        ),
        (WANTED | {"broker": "none"}, [("broker-unknown", "spec.broker")]),
        (WANTED | {"subscriber": {"uri": fn("gone")}}, [("destination-unknown", "spec.subscriber")]),
        (
            WANTED | {"subscriber": {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "b"}}},
            [("destination-unknown", "spec.subscriber")],
        ),
        ({"filters": [{"exact": {"type": "x"}, "cesql": "TRUE"}]}, [("manifest-invalid", "spec.filters[0]")]),
    ],
)
def test_triggers(tmp_path: Path, spec: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    given = trigger("t", fn())
    given["spec"] |= spec
    assert told(found(tmp_path, SINK, given, stack={"fn": {}})) == expected


def test_a_feature_that_the_manifests_turn_on_is_no_surprise(tmp_path: Path) -> None:
    features = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"delivery-retryafter": "enabled"}}
    features["metadata"] = {"name": "config-features", "namespace": "knative-eventing"}
    sink = yaml.safe_load(yaml.safe_dump(SINK))
    sink["spec"]["delivery"]["retryAfterMax"] = "PT9S"
    assert found(tmp_path, sink, features) == []


def test_without_a_dead_letter_sink_events_are_lost(tmp_path: Path) -> None:
    findings = found(tmp_path, BROKER, trigger("t", OUTSIDE, **WANTED))
    assert told(findings) == [("no-dead-letter-sink", "spec.delivery.deadLetterSink")]


def test_what_is_there_twice_is_told_of_both(tmp_path: Path) -> None:
    assert told(found(tmp_path, SINK, SINK)) == [("name-twice", "metadata.name")] * 2


FRAMEWORK = "functions-framework --target main --signature-type"


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        (f"{FRAMEWORK} cloudevent", ["error-body-crash", "reply-not-event", "probe-405"]),
        (f"{FRAMEWORK}=event --asgi", ["reply-not-event", "probe-405"]),
        ("python -m functions_framework --asgi", ["reply-not-event", "probe-maybe-405"]),
        (f"{FRAMEWORK} http", ["error-body-crash"]),
        ("python app.py", []),
    ],
)
def test_functions_framework_behind_a_trigger(tmp_path: Path, command: str, codes: list[str]) -> None:
    entry = {"fprocess": command, "annotations": {"com.openfaas.ready.http.path": "/ready"}}
    findings = found(tmp_path, SINK, trigger("t", fn(), **WANTED), stack={"fn": entry})
    assert [finding.code for finding in findings] == codes


def test_a_probe_of_a_service_names_its_field(tmp_path: Path) -> None:
    given = manifest(command=FRAMEWORK.split(), args=["cloudevent"], livenessProbe={"httpGet": {"path": "/"}})
    field = f"{SPEC}.containers[0].livenessProbe.httpGet"
    assert told(found(tmp_path, given)) == [("probe-405", field)]


PREFIX = "autoscaling.knative.dev/"
USED = f"{PREFIX}target-utilization-percentage"


@pytest.mark.parametrize(("annotations", "warned"), [({}, True), ({USED: "99"}, True), ({USED: "100"}, False)])
def test_a_gpu_is_not_left_a_third_idle(tmp_path: Path, annotations: dict[str, str], warned: bool) -> None:
    classes = {"gpu": {"gpu": 1}, "cpu": {"gpu": 0}}
    stack = {name: {"labels": {"dev.sluice.class": name}, "annotations": annotations} for name in classes}
    service = manifest(command=["a"], resources={"limits": {"nvidia.com/gpu": "1"}})
    service["spec"]["template"]["metadata"] = {"annotations": annotations}
    expected = [
        ("gpu-target-utilization", f"functions.gpu.annotations.{USED}"),
        ("gpu-target-utilization", f"spec.template.metadata.annotations.{USED}"),
    ]
    assert told(found(tmp_path, service, stack=stack, classes=classes)) == (expected if warned else [])


def test_features_that_are_off_by_default(tmp_path: Path) -> None:
    given = changed(f"{SPEC}.tolerations", [{"key": "gpu"}], manifest(command=["a"]))
    stack = {"fn": {"labels": {"dev.sluice.class": "picky"}}}
    findings = found(tmp_path, given, stack=stack, classes={"picky": {"node_selector": {"disk": "fast"}}})
    assert told(findings) == [
        ("feature-flag", f"{SPEC}.tolerations"),
        ("feature-flag", "functions.fn.labels.dev.sluice.class"),
    ]


def test_slips_of_the_pen(tmp_path: Path) -> None:
    entry = {"lang": "Dockerfile", "enviroment": {}, "annotations": {f"{PREFIX}min-scales": "1"}}
    assert told(found(tmp_path, stack={"fn": entry})) == [
        ("autoscaling-annotation", f"functions.fn.annotations.{PREFIX}min-scales"),
        ("stack-key-unknown", "functions.fn.enviroment"),
        ("lang-spelling", "functions.fn.lang"),
    ]


SCALE = "com.openfaas.scale"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"labels": {f"{SCALE}.zero": True}}, [("ce-label", f"labels.{SCALE}.zero")]),
        ({"labels": {f"{SCALE}.zero": "false"}}, []),
        ({"labels": {f"{SCALE}.zero-duration": "5m"}}, [("ce-label", f"labels.{SCALE}.zero-duration")]),
        ({"labels": {f"{SCALE}.target": 5}}, [("ce-label", f"labels.{SCALE}.target")]),
        ({"labels": {f"{SCALE}.type": "rps"}}, [("ce-label", f"labels.{SCALE}.type")]),
        ({"labels": {f"{SCALE}.max": 6}}, [("ce-scale", f"labels.{SCALE}.max")]),
        (
            {"labels": {f"{SCALE}.min": "6", f"{SCALE}.max": "6"}},
            [("ce-scale", f"labels.{SCALE}.{n}") for n in ("min", "max")],
        ),
        ({"namespace": "other"}, [("ce-namespace", "namespace")]),
        ({"namespace": "openfaas-fn"}, []),
        ({"image": "localhost:5000/a/b:1"}, [("ce-image-private", "image")]),
        ({"image": "10.0.0.1/a/b"}, [("ce-image-private", "image")]),
        ({"image": "registry.corp.internal/a"}, [("ce-image-private", "image")]),
        ({"image": "kind-registry:5001/a"}, [("ce-image-private", "image")]),
        ({"image": "1.dkr.ecr.eu-west-1.amazonaws.com/a"}, [("ce-image-private", "image")]),
        ({"image": "ghcr.io/owner/a:1"}, []),
        ({"image": "a:1"}, [("ce-image-unpublished", "image")]),
        ({"annotations": {"topic": "a,b"}}, [("ce-topic", "annotations.topic")]),
        ({"annotations": {"eks.amazonaws.com/role": "x"}}, [("ce-annotation", "annotations.eks.amazonaws.com/role")]),
        ({"annotations": {"schedule": "* * * * *; @daily"}}, [("ce-ignored", "annotations.schedule")]),
        ({"constraints": ["a=b"]}, [("ce-ignored", "constraints")]),
        (
            {"annotations": {"com.openfaas.retry.attempts": "3"}},
            [("ce-ignored", "annotations.com.openfaas.retry.attempts")],
        ),
    ],
)
def test_what_community_edition_refuses(tmp_path: Path, entry: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    stack = {"fn": {"image": "owner/fn", **entry}}
    assert told(found(tmp_path, stack=stack, edition="ce")) == [(code, f"functions.fn.{at}") for code, at in expected]


def test_the_sixteenth_function_is_one_too_many(tmp_path: Path) -> None:
    stack = {f"f{at:02}": {"image": "owner/fn"} for at in range(17)}
    findings = found(tmp_path, stack=stack, edition="ce")
    assert told(findings) == [("ce-too-many", "functions.f15"), ("ce-too-many", "functions.f16")]


@pytest.mark.parametrize(
    ("content", "field"),
    [("a: [", ""), ("a: *b", ""), ("kind: Trigger\napiVersion: eventing.knative.dev/v1", "metadata"), ("\udcff", "")],
)
def test_what_cannot_be_read_is_a_finding_and_the_rest_is_read_on(tmp_path: Path, content: str, field: str) -> None:
    there = tmp_path / "m"
    there.mkdir()
    (there / "a.yaml").write_bytes(content.encode(errors="surrogateescape"))
    (there / "b.yaml").write_text(yaml.safe_dump(trigger("t", OUTSIDE, **WANTED)))
    (tmp_path / "stack.yml").write_text("functions: {Bad: 3}")
    findings = lint(tmp_path / "stack.yml", there)
    assert [finding.code for finding in findings] == ["manifest-invalid", "manifest-invalid", "broker-unknown"]
    assert findings[1].said.field == field
    assert all(finding.severity == "error" for finding in findings)


def test_every_rule_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "lint.md").read_text()
    for rule in RULES:
        assert f"| `{rule.code}` | {rule.severity} |" in page
