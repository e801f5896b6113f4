"""Whatever a manifest holds, it is read, or refused with a sentence that a person can act on."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from emulator.eventing import load as load_eventing
from emulator.eventing import read as read_eventing
from emulator.knative.functions import function, load
from emulator.knative.service import read_service
from emulator.manifests import read_stack
from shared.errors import InvalidInput
from tests.fuzz.profile import fuzz

STACK = yaml.safe_load("""
provider: {name: openfaas}
functions:
  fetch:
    lang: python3-http@1
    handler: ./fetch
    image: own:latest
    namespace: here
    fprocess: python -m fetch
    environment: {NUMBER: 1, FLAG: true}
    environment_file: [more.yml]
    secrets: [key]
    limits: {memory: 128Mi, cpu: 100m}
    labels: {dev.sluice.class: small, com.openfaas.scale.max: 7, com.openfaas.scale.min: 1,
             com.openfaas.scale.zero-duration: 1m, dev.sluice.concurrency: 3}
    annotations: {dev.sluice/routes: "/a,/b", dev.sluice/queue: fetch}
""")
CLASSES = yaml.safe_load(
    "classes: {small: {cpu: 500, memory_mib: 64, concurrency: 8, min_scale: 1, max_scale: 3, timeout_s: 9}}"
)
TRIGGER = yaml.safe_load("""
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: wake, namespace: default, annotations: {a: b}}
spec:
  broker: default
  filter: {attributes: {type: dev.sluice.a.v1}}
  filters: [{exact: {type: a}}, {any: [{prefix: {source: /a}}, {not: {suffix: {source: z}}}]}, {cesql: "type = 'a'"}]
  subscriber: {ref: {apiVersion: v1, kind: Service, name: fetch}, uri: /events}
  delivery: {retry: 3, backoffPolicy: linear, backoffDelay: PT0.5S, timeout: PT10S, deadLetterSink: {uri: "http://a/"}}
""")
BROKER = yaml.safe_load("""
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default}
spec: {delivery: {retry: 2, backoffDelay: PT1S}}
""")
PING = yaml.safe_load("""
apiVersion: sources.knative.dev/v1
kind: PingSource
metadata: {name: tick}
spec:
  schedule: "*/5 * * * *"
  timezone: UTC
  contentType: application/json
  data: "{}"
  sink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}
  ceOverrides: {extensions: {a: b}}
""")
SERVICE = yaml.safe_load("""
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: fetch, labels: {a: b}}
spec:
  traffic: [{latestRevision: true, percent: 100}]
  template:
    metadata:
      name: fetch-1
      annotations: {autoscaling.knative.dev/max-scale: "5", autoscaling.knative.dev/target: "3"}
    spec:
      containerConcurrency: 4
      timeoutSeconds: 30
      volumes: [{name: v, secret: {secretName: s}}]
      containers:
        - image: own:latest
          command: [python]
          args: ["-m", "fetch"]
          ports: [{containerPort: 8080, name: http1}]
          env: [{name: A, value: b}, {name: C, valueFrom: {secretKeyRef: {name: s, key: k}}}]
          envFrom: [{configMapRef: {name: m, optional: true}}]
          resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: "1", memory: 1Gi, nvidia.com/gpu: 1}}
          readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}
          volumeMounts: [{name: v, mountPath: /s}]
          securityContext: {runAsNonRoot: true}
""")
ODD = st.sampled_from(
    [
        *("", " ", "a\nb", "\0", "²", "9" * 5000, "-1", "1e999", "PT1S", "PT.S", "1m30s", "${A}", "'", "\ud800x"[1:]),
        *("../..", "/", "x" * 5000, "*/0 * * * *", "http://[", "1Ei", ".5m", "NaN", "é", "\u202e", "default", "None"),
        *(0, 1, -1, 10**400, 2**63, 0.5, float("inf"), float("-inf"), float("nan"), True, None),
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    ODD | st.text(max_size=20) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | ODD, inner, max_size=3),
    max_leaves=6,
)
SCALARS = st.sampled_from(
    [
        *("2001-99-99", "0x", "!!int x", "!!float y", "!!binary '*'", "!!python/object:os.system x", "*a", "&a [*a]"),
        *("? [a]", "!!timestamp t", "<<: 1", "0o9", "1_", "12:61:61", "---", "{", "\t", "%", "!", "- -", "!!set {a}"),
    ]
)


@st.composite
def changed(draw: st.DrawFn, manifest: dict[str, Any]) -> dict[str, Any]:
    """With something else in one to three places."""
    result = deepcopy(manifest)
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, result)
    return result


def _change(draw: st.DrawFn, at: Any) -> None:
    places = list(at) if isinstance(at, dict) else list(range(len(at)))
    if not places:
        return
    place = draw(st.sampled_from(places))
    if isinstance(at[place], dict | list) and at[place] and draw(st.integers(0, 5)):
        _change(draw, at[place])
    elif isinstance(at, dict) and draw(st.integers(0, 5)) == 0:
        at[draw(st.text(max_size=8))] = at.pop(place)
    else:
        at[place] = draw(VALUES)


def read_or_refuse(read: Callable[[], object]) -> None:
    refused: InvalidInput | None = None
    try:
        read()
    except InvalidInput as error:
        refused = error
    assert refused is None or (refused.message.strip() and refused.code.islower())


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One for all examples: each overwrites what the last one left."""
    with TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.parametrize("uri", ["http://[", "//]"])
def test_an_address_that_is_none_is_refused_beside_a_ref_too(uri: str) -> None:
    """Found by the test below, in a long run."""
    trigger = deepcopy(TRIGGER)
    trigger["spec"]["subscriber"]["uri"] = uri
    with pytest.raises(InvalidInput, match="uri"):
        read_eventing([BROKER, trigger])


@fuzz
@given(changed(STACK), changed(CLASSES), st.booleans(), st.booleans())
def test_any_stack_is_read_or_refused(folder: Path, stack: Any, classes: Any, usual: bool, same: bool) -> None:
    (folder / "more.yml").write_text("environment: {A: b}")
    (folder / "stack.yml").write_text(yaml.dump(STACK if usual else stack), "utf-8", "replace")
    (folder / "classes.yml").write_text(yaml.dump(CLASSES if same else classes), "utf-8", "replace")
    read_or_refuse(lambda: read_stack(folder / "stack.yml", folder / "classes.yml", {}))


@fuzz
@given(st.one_of(*map(changed, (TRIGGER, BROKER, PING))) | VALUES)
def test_any_eventing_manifest_is_read_or_refused(manifest: Any) -> None:
    read_or_refuse(lambda: read_eventing([BROKER, manifest]))


@fuzz
@given(changed(SERVICE) | VALUES)
def test_any_service_is_read_or_refused(manifest: Any) -> None:
    read_or_refuse(lambda: read_service(manifest))


@fuzz
@given(st.lists(SCALARS | st.text(max_size=10), max_size=4), st.sampled_from(["stack", "trigger", "service"]))
def test_any_text_in_a_manifest_is_read_or_refused(folder: Path, parts: list[str], kind: str) -> None:
    words = " ".join(parts)
    bodies = {
        "stack": f"functions:\n  f:\n    fprocess: cat\n    labels:\n      a: {words}\n      {words}\n",
        "trigger": json.dumps(BROKER) + f"\n---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nspec: {words}\n",
        "service": f"apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: f}}\nspec: {words}\n",
    }
    (folder / "stack.yml").write_text(bodies[kind], "utf-8", "replace")
    read_or_refuse(lambda: read_stack(folder / "stack.yml", None, {}))
    read_or_refuse(lambda: load_eventing(folder))
    read_or_refuse(lambda: [function(found) for found in load(folder)])
