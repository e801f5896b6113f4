"""Knative Services, as strict as a cluster: what is read, what is refused with which field, what is warned of."""

import copy
from typing import Any

import pytest
import yaml

from emulator.knative.quantities import quantity
from emulator.knative.references import Holders, expanded
from emulator.knative.service import Service, read_service
from shared.errors import InvalidInput
from tests.shared_data import path

PREFIX = "autoscaling.knative.dev/"
FULL = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello, namespace: shop, labels: {app: hello}, annotations: {note: mine}, uid: x, generation: 2}
spec:
  traffic: [{latestRevision: true, percent: 100}]
  template:
    metadata:
      name: hello-v2
      annotations: {autoscaling.knative.dev/max-scale: "3", autoscaling.knative.dev/target: "7"}
    spec:
      containerConcurrency: 10
      timeoutSeconds: 20
      serviceAccountName: runner
      containers:
        - name: user
          image: registry.example/hello:1
          command: [python, app.py]
          args: ["--port", "$(PORT)", "$(GREETING)", "$$(GREETING)", "$(UNKNOWN)"]
          env:
            - {name: GREETING, value: hi}
            - {name: LONG, value: "$(GREETING) there"}
          ports: [{containerPort: 9000, name: http1}]
          readinessProbe: {httpGet: {path: /ready, port: 9000}, periodSeconds: 1}
          livenessProbe: {tcpSocket: {port: 9000}}
          resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: "1", memory: 128Mi, nvidia.com/gpu: 1}}
          securityContext: {runAsNonRoot: true, capabilities: {drop: [ALL]}}
"""


def manifest(**container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "hello"},
        "spec": {"template": {"spec": {"containers": [{"image": "x", **container}]}}},
    }


def changed(at: str, value: Any, given: dict[str, Any] | None = None) -> dict[str, Any]:
    """The manifest with one field set, named by its path."""
    found = copy.deepcopy(given or manifest())
    here: Any = found
    *parents, last = at.replace("[0]", ".0").split(".")
    for part in parents:
        here = here[int(part)] if part == "0" else here.setdefault(part, {})
    here[last] = value
    return found


def full() -> Service:
    return read_service(yaml.safe_load(FULL))


def test_a_service_is_read_whole() -> None:
    service = full()
    assert (service.meta.namespace, service.meta.name, service.template.name) == ("shop", "hello", "hello-v2")
    assert (service.concurrency, service.timeout_s, service.gpus, service.notices) == (10, 20, 1, ())
    assert (service.scaling.max_scale, service.scaling.target) == (3, 7)
    assert service.container.ready_path == "/ready"
    assert service.container.environment == {"GREETING": "hi", "LONG": "hi there"}
    assert service.container.resources.requests == {"cpu": pytest.approx(0.1), "memory": 64 * 2**20}


def test_the_defaults_are_those_of_a_cluster() -> None:
    service = read_service(manifest())
    assert (service.meta.namespace, service.concurrency, service.timeout_s) == ("default", 0, 300)
    assert service.container.ready_path is None
    assert read_service(manifest(readinessProbe={"httpGet": {}})).container.ready_path == "/"


SPEC = "spec.template.spec"
CONTAINER = f"{SPEC}.containers[0]"


@pytest.mark.parametrize(
    ("at", "value", "field"),
    [
        ("extra", 1, "extra"),
        ("spec.extra", 1, "spec.extra"),
        ("spec.template.extra", 1, "spec.template.extra"),
        (f"{SPEC}.container", [], f"{SPEC}.container"),
        (f"{SPEC}.containerConcurency", 1, f"{SPEC}.containerConcurency"),
        (f"{CONTAINER}.cmd", [], f"{CONTAINER}.cmd"),
        (f"{CONTAINER}.lifecycle", {}, f"{CONTAINER}.lifecycle"),
        (f"{CONTAINER}.image", None, f"{CONTAINER}.image"),
        (f"{CONTAINER}.command", "python", f"{CONTAINER}.command"),
        (f"{CONTAINER}.args", [1], f"{CONTAINER}.args[0]"),
        (f"{CONTAINER}.env", [{"name": "PORT", "value": "1"}], f"{CONTAINER}.env[0].name"),
        (f"{CONTAINER}.env", [{"name": "A", "value": 1}], f"{CONTAINER}.env[0].value"),
        (f"{CONTAINER}.env", [{"name": "A", "valueFrom": {}}], f"{CONTAINER}.env[0].valueFrom"),
        (f"{CONTAINER}.ports", [{"containerPort": 1}, {"containerPort": 2}], f"{CONTAINER}.ports"),
        (f"{CONTAINER}.ports", [{"containerPort": 0}], f"{CONTAINER}.ports[0].containerPort"),
        (f"{CONTAINER}.ports", [{"name": "web"}], f"{CONTAINER}.ports[0].name"),
        (f"{CONTAINER}.ports", [{"protocol": "UDP"}], f"{CONTAINER}.ports[0].protocol"),
        (f"{CONTAINER}.readinessProbe", {"httpGet": {"port": 9999}}, f"{CONTAINER}.readinessProbe.httpGet.port"),
        (f"{CONTAINER}.readinessProbe", {"httpGet": {}, "exec": {}}, f"{CONTAINER}.readinessProbe"),
        (f"{CONTAINER}.livenessProbe", {"httpget": {}}, f"{CONTAINER}.livenessProbe.httpget"),
        (f"{CONTAINER}.resources", {"limits": {"memory": "1GB"}}, f"{CONTAINER}.resources.limits.memory"),
        (f"{CONTAINER}.resources", {"limits": {"memry": "1G"}}, f"{CONTAINER}.resources.limits.memry"),
        (
            f"{CONTAINER}.resources",
            {"limits": {"cpu": 1}, "requests": {"cpu": "1500m"}},
            f"{CONTAINER}.resources.requests.cpu",
        ),
        (f"{SPEC}.containers", [], f"{SPEC}.containers"),
        (f"{SPEC}.containers", [{"image": "a"}, {"image": "b"}], f"{SPEC}.containers.ports"),
        (f"{SPEC}.containerConcurrency", 1001, f"{SPEC}.containerConcurrency"),
        (f"{SPEC}.timeoutSeconds", 601, f"{SPEC}.timeoutSeconds"),
        (f"{SPEC}.idleTimeoutSeconds", 301, f"{SPEC}.idleTimeoutSeconds"),
        (f"{SPEC}.volumes", [{"name": "v", "nfs": {}}], f"{SPEC}.volumes[0].nfs"),
        ("spec.traffic", [{"percent": 60}, {"percent": 60}], "spec.traffic"),
        ("spec.template.metadata.name", "other", "spec.template.metadata.name"),
        ("metadata.name", "Hello", "metadata.name"),
        ("metadata.annotation", {}, "metadata.annotation"),
        ("metadata.annotations", {f"{PREFIX}min-scale": "1"}, f"metadata.annotations.{PREFIX}min-scale"),
        (
            "spec.template.metadata.annotations",
            {f"{PREFIX}min-scale": "-1"},
            f"spec.template.metadata.annotations.{PREFIX}min-scale",
        ),
        ("spec.template", None, "spec.template"),
        ("spec.template.spec", None, "spec.template.spec"),
    ],
)
def test_an_error_names_the_field_by_knatives_path(at: str, value: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_service(changed(at, value))
    assert caught.value.field == field
    assert field in caught.value.message


@pytest.mark.parametrize(
    ("at", "value", "flag"),
    [
        (f"{SPEC}.nodeSelector", {"gpu": "yes"}, "kubernetes.podspec-nodeselector"),
        (f"{SPEC}.tolerations", [{"key": "gpu"}], "kubernetes.podspec-tolerations"),
        (f"{SPEC}.initContainers", [{"image": "x"}], "kubernetes.podspec-init-containers"),
        (f"{SPEC}.securityContext", {"fsGroup": 1}, "kubernetes.podspec-securitycontext"),
        (
            f"{CONTAINER}.env",
            [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "kubernetes.podspec-fieldref",
        ),
    ],
)
def test_a_field_behind_a_flag_is_warned_of_unless_the_flag_is_on(at: str, value: Any, flag: str) -> None:
    given = changed(at, value)
    (notice,) = read_service(given).notices
    assert (notice.code, notice.field.startswith(at)) == ("feature-flag", True)
    assert flag in notice.message
    holders = Holders()
    features = {"name": "config-features", "namespace": "knative-serving"}
    holders.add({"apiVersion": "v1", "kind": "ConfigMap", "metadata": features, "data": {flag: "Enabled"}})
    assert read_service(given, holders).notices == ()


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (f"{CONTAINER}.workingDir", "/app"),
        (f"{CONTAINER}.readinessProbe", {"exec": {"command": ["true"]}}),
        (f"{CONTAINER}.ports", [{"name": "h2c"}]),
        (f"{CONTAINER}.envFrom", [{"configMapRef": {"name": "nowhere"}}]),
        (f"{SPEC}.volumes", [{"name": "v", "secret": {"secretName": "s"}}]),
        (f"{SPEC}.responseStartTimeoutSeconds", 10),
        (f"{SPEC}.containers", [{"image": "a", "ports": [{}]}, {"image": "b"}]),
        ("spec.traffic", [{"revisionName": "hello-1", "percent": 100}]),
    ],
)
def test_what_a_laptop_has_not_is_told(at: str, value: Any) -> None:
    (notice,) = read_service(changed(at, value)).notices
    assert notice.code == "not-emulated"


def test_config_maps_and_secrets_among_the_manifests_are_used() -> None:
    holders = Holders()
    meta = {"name": "settings"}
    holders.add({"kind": "ConfigMap", "metadata": meta, "data": {"A": "1", "B": "2"}})
    holders.add({"kind": "Secret", "metadata": meta, "data": {"KEY": "c2VjcmV0"}, "stringData": {"MORE": "m"}})
    given = manifest(
        envFrom=[
            {"prefix": "X_", "configMapRef": {"name": "settings"}},
            {"secretRef": {"name": "no", "optional": True}},
        ],
        env=[
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "settings", "key": "KEY"}}},
            {"name": "GONE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "Z"}}},
            {"name": "X_A", "value": "$(X_B)$(TOKEN)"},
        ],
    )
    service = read_service(given, holders)
    assert service.container.environment == {"X_A": "2secret", "X_B": "2", "TOKEN": "secret"}
    assert [notice.field for notice in service.notices] == [f"{CONTAINER}.env[1].valueFrom.configMapKeyRef"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("500m", 0.5), ("1Ki", 1024), ("2M", 2e6), ("1e3", 1000), (".5", 0.5), ("1kb", None), ("", None)],
)
def test_quantities(text: str, value: float | None) -> None:
    assert quantity(text) == (None if value is None else pytest.approx(value))


def test_references_are_replaced_as_in_kubernetes() -> None:
    assert expanded("$(A) $(B) $$(A) $A $$ $(", {"A": "1"}) == "1 $(B) $(A) $A $ $("


def crd() -> Any:
    file = path("data/crds/serving.knative.dev_services.yaml")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_text(), Loader=loader)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def test_every_field_of_the_published_definition_is_known() -> None:
    """None counts as not given, but an unknown name is refused even so."""
    spec = crd()["properties"]["spec"]["properties"]
    pod = spec["template"]["properties"]["spec"]["properties"]
    container = pod["containers"]["items"]["properties"]
    names = [
        *(f"spec.{name}" for name in spec if name != "template"),
        *(f"spec.template.metadata.{name}" for name in spec["template"]["properties"]["metadata"]["properties"]),
        *(f"{SPEC}.{name}" for name in pod if name != "containers"),
        *(f"{CONTAINER}.{name}" for name in container if name != "image"),
        *(f"{CONTAINER}.readinessProbe.{name}" for name in container["readinessProbe"]["properties"]),
        *(f"{CONTAINER}.securityContext.{name}" for name in container["securityContext"]["properties"]),
    ]
    assert len(names) > 60
    for name in names:
        read_service(changed(name, None))
    for name in container["ports"]["items"]["properties"]:
        read_service(manifest(ports=[{name: None}]))
    for name in pod["volumes"]["items"]["properties"]:
        read_service(changed(f"{SPEC}.volumes", [{"name": "v", name: "v" if name == "name" else None}]))
    for name in spec["traffic"]["items"]["properties"]:
        read_service(changed("spec.traffic", [{"percent": 100, **({} if name == "percent" else {name: None})}]))


def test_what_is_accepted_is_in_the_published_definition() -> None:
    assert list(strangers(yaml.safe_load(FULL)["spec"], crd()["properties"]["spec"], "spec")) == []


def strangers(value: Any, schema: dict[str, Any], at: str) -> Any:
    """Paths that the definition does not have."""
    if isinstance(value, list):
        for each in value:
            yield from strangers(each, schema["items"], at)
    elif isinstance(value, dict) and "properties" in schema:
        for name, inner in value.items():
            if name in schema["properties"]:
                yield from strangers(inner, schema["properties"][name], f"{at}.{name}")
            elif not schema.get("x-kubernetes-preserve-unknown-fields"):
                yield f"{at}.{name}"
