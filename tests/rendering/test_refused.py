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
    ("stack.yml", "version: 1.0", "version: 7", "version", "write version: 1.0"),
    ("stack.yml", "name: openfaas", "name: swarm", "provider.name", "write name: openfaas"),
    ("stack.yml", "      TICK_SECONDS:", "      TICK SECONDS:", "environment", "is no name of a variable"),
    ("stack.yml", "secrets: [event-signing-key,", "secrets: [Event_Key,", "secrets", "is no name of a secret"),
    ("stack.yml", "secrets: [event-signing-key,", "secrets: [redis-url,", "secrets", "stands twice"),
    ("stack.yml", "filesystem: true", "filesystem: perhaps", "readonly_root_filesystem", "true or false"),
    ("stack.yml", "sluice/sluice}-chunk:", "Sluice/sluice}-chunk:", "image", "is no name of an image"),
    ("stack.yml", "-scrape:${SLUICE_TAG:-latest}\n    skip", "-scrap:latest\n    skip", "image", "nobody builds it"),
    ("stack.yml", "dev.sluice/queue: scrape", "dev.sluice/queue: pages", "queue", "write dev.sluice/queue: scrape"),
    (
        "stack.yml",
        "dev.sluice/vm: chunking",
        "dev.sluice/vm: chunking, dev.sluice/queue: chunk",
        "queue",
        "for workers",
    ),
    ("stack.yml", 'schedule: "* * * * *"', 'schedule: "often"', "annotations.schedule", "fields of cron"),
    ("stack.yml", "dev.sluice/routes: ", "dev.sluice/paths: ", "functions", "reachable from outside"),
    ("stack.yml", "  inference:\n", "  embeddings:\n", "functions", "has no inference"),
    ("stack.yml", "  chunk:\n", "  ? [chunk]\n  : x\n  chunk:\n", "functions", "write a name before the colon"),
    ("stack.yml", "version: 1.0", "version: \x07", "", "control character"),
    ("stack.yml", "version: 1.0", "version: " + "[" * 3000 + "]" * 3000, "", "nested too deeply"),
    ("resource-classes.yml", "cpu: 8000", "cpu: !!int many", "gpu-h100.cpu", "write a plain value"),
    ("resource-classes.yml", "gpu: 1\n", "gpu: 100\n", "gpu-h100.gpu", "at most 16"),
    ("resource-classes.yml", "timeout_s: 300\n", "timeout_s: 300000\n", "gpu-h100.timeout_s", "is in seconds"),
    ("resource-classes.yml", "concurrency: 512", "concurrency: 5120", "gpu-h100.concurrency", "at most 1000"),
    ("resource-classes.yml", "  gpu-h100:\n", "  GPU H100:\n", "classes.GPU H100", "lower-case letters"),
    ("resource-classes.yml", "effect: NoSchedule", "effect: Never", "tolerations[0].effect", "write NoSchedule or"),
    ("resource-classes.yml", "name: inference\n", "name: tei\n", "inference.name", "write inference"),
    ("resource-classes.yml", "name: inference-query", "name: search", "queries.name", "is a function's"),
    ("resource-classes.yml", "name: inference-query", "name: inference", "queries", "write another"),
    ("resource-classes.yml", "\n  h100:\n", "\n  h200:\n", "tiers", "has no tier h100"),
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
    ("triggers/chunk.yaml", "name: chunk-chunk-requested", "name: " + "c" * 64, "name", "at most 63"),
    ("triggers/chunk.yaml", "name: chunk-chunk-requested", "name: Chunk_1", "metadata.name", "lower-case letters"),
    ("triggers/chunk.yaml", "  namespace: sluice\nspec", "  namespace: other\nspec", "metadata.namespace", "sluice"),
    ("triggers/chunk.yaml", "broker: default", "broker: other", "spec.broker", "write default"),
    ("triggers/chunk.yaml", "  broker: default\n", "", "spec.broker", "is missing; write broker: default"),
    ("triggers/chunk.yaml", "kind: Service", "kind: Deployment", "subscriber.ref.kind", "write Service"),
    ("triggers/chunk.yaml", "      type: dev", "      subject: 3\n      type: dev", "attributes.subject", "quote"),
    ("triggers/chunk.yaml", "attributes:\n", "attributes: 3\n      #", "spec.filter.attributes", "write a mapping"),
    ("triggers/broker.yaml", "retry: 10", "retry: often", "delivery.retry", "whole number"),
    ("triggers/broker.yaml", "backoffDelay: PT0.2S", "backoffDelay: 200ms", "backoffDelay", "PT0.2S"),
    ("triggers/broker.yaml", "backoffPolicy: exponential", "backoffPolicy: slow", "backoffPolicy", "linear or exp"),
    (
        "triggers/broker.yaml",
        "name: orchestrator",
        "name: orchestra",
        "deadLetterSink.ref.name",
        "there is no function",
    ),
    ("triggers/tick.yaml", '"*/2 * * * * *"', '"often"', "spec.schedule", "fields of cron"),
    ("triggers/tick.yaml", 'data: "{}"', 'data: "{"', "spec.data", "is not JSON"),
    ("triggers/tick.yaml", "name: default", "name: defautl", "sink.ref.name", "write default"),
    ("triggers/orchestrator.yaml", "dev.knative.sources.ping", "dev.sluice.pipeline.tick.v1", "spec", "nobody sends"),
    ("triggers/orchestrator.yaml", "orchestrator-stage-failed", "orchestrator-tick", "metadata.name", "is taken by"),
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


def test_a_route_of_the_gateway_is_looked_at_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = copied(tmp_path)
    routes = project / "triggers" / "http.yaml"
    routes.write_text(routes.read_text().replace("  function: chunk\n", "  function: chunks\n"))
    assert main(["render", "--project", str(project), "all", "--check"]) == 2
    said = capsys.readouterr().err
    assert re.search(r"triggers/http\.yaml:\d+: chunk: spec\.function: there is no function chunks; write one of", said)


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
