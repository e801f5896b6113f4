"""Metrics are scraped wherever it runs; spans and profiles go where one variable says, and nowhere by default."""

from typing import Any

import pytest
import yaml

from rendering import compose, description, environment_files, knative, openfaas
from rendering.description import Description
from rendering.pods import scraped
from rendering.settings import TELEMETRY
from tests.rendering.world import ROOT, ours

ADDRESSES = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://alloy.monitoring:4318",
    "PYROSCOPE_SERVER_ADDRESS": "http://alloy:4040",
}
OFF = dict.fromkeys(ADDRESSES, "")


def on() -> Description:
    return description.read(ROOT, ADDRESSES)


def said(found: dict[str, Any]) -> dict[str, str]:
    return {name: found[name] for name in TELEMETRY}


def config_map(of: Description) -> dict[str, str]:
    [found] = [each for each in knative.base(of)["settings.yaml"] if each["metadata"]["name"] == "sluice-settings"]
    return said(found["data"])


def test_off_is_the_default_in_every_form() -> None:
    assert config_map(ours()) == OFF
    for edition in openfaas.EDITIONS:
        for name, entry in openfaas.stack(ours(), edition, {})["functions"].items():
            assert said(entry["environment"]) == OFF, name
    for name, text in environment_files.files(ours()).items():
        for variable in TELEMETRY:
            assert f"\n{variable}=\n" in text, name


def test_one_variable_of_whoever_renders_or_deploys_turns_it_on_everywhere() -> None:
    assert config_map(on()) == ADDRESSES
    for edition in openfaas.EDITIONS:
        for name, entry in openfaas.stack(on(), edition, {})["functions"].items():
            assert said(entry["environment"]) == ADDRESSES, name
    plain = yaml.safe_load((ROOT / "stack.yml").read_text())["functions"]
    for name, entry in plain.items():
        assert said(entry["environment"]) == {variable: f"${{{variable}:-}}" for variable in TELEMETRY}, name


def test_compose_takes_it_from_its_env_file_alone() -> None:
    for service, body in compose.single(on())["services"].items():
        assert set(TELEMETRY) & set(body.get("environment", {})) == set(), service


@pytest.mark.parametrize("tier", list(ours().tiers))
def test_every_pod_of_a_function_says_where_its_metrics_are(tier: str) -> None:
    manifests = knative.everything(ours(), ours().tiers[tier], "keda")
    told = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"].get("annotations", {})
        for each in manifests
        if each["kind"] in ("Deployment", "Service") and "template" in each["spec"]
    }
    assert told.keys() >= {each.name for each in ours().functions}
    assert [name for name, annotations in told.items() if not scraped().items() <= annotations.items()] == []


def test_compose_and_openfaas_say_it_too() -> None:
    for function in ours().functions:
        assert compose.single(ours())["services"][function.name]["labels"] == scraped()
        for edition in openfaas.EDITIONS:
            entry = openfaas.stack(ours(), edition, {})["functions"][function.name]
            assert scraped().items() <= entry["annotations"].items()


def test_network_policies_let_scrapes_in_and_spans_and_profiles_out() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in knative.base(ours())["network.yaml"]}
    monitoring = {"namespaceSelector": {"matchLabels": {"dev.sluice/monitoring": "true"}}}
    [scrapes], [sends] = policies["metrics"]["ingress"], policies["telemetry"]["egress"]
    assert (scrapes["from"], sends["to"]) == ([monitoring], [monitoring])
    assert int(scraped()["prometheus.io/port"]) in {port["port"] for port in scrapes["ports"]}
    assert {port["port"] for port in sends["ports"]} >= {4318, 4040}
    [components] = policies["telemetry"]["podSelector"]["matchExpressions"]
    assert set(components["values"]) >= {"function", "worker"}
