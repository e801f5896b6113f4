"""stack.yml, resource-classes.yml and triggers/ must tell one story."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.contracts.registry import payload_class

ROOT = Path(__file__).parent.parent
STACK: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "stack.yml").read_text())["functions"]
CLASSES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "resource-classes.yml").read_text())["classes"]
MANIFESTS = [d for path in sorted((ROOT / "triggers").glob("*.yaml")) for d in yaml.safe_load_all(path.read_text())]


@pytest.mark.parametrize("name", STACK)
def test_a_function_has_what_its_class_says(name: str) -> None:
    function = STACK[name]
    resources = CLASSES[function["labels"]["dev.sluice.class"]]
    assert function["limits"] == {"memory": f"{resources['memory_mib']}Mi", "cpu": f"{resources['cpu']}m"}
    assert function["labels"]["com.openfaas.scale.min"] == str(resources["min_scale"])
    assert function["labels"]["com.openfaas.scale.max"] == str(resources["max_scale"])


@pytest.mark.parametrize("name", STACK)
def test_a_function_runs_a_module_that_exists(name: str) -> None:
    module = re.fullmatch(r"python -m ([a-z_.]+)", STACK[name]["fprocess"])
    assert module
    assert (ROOT / (module[1].replace(".", "/") + ".py")).is_file()


def test_every_trigger_names_a_function_and_an_event_that_exist() -> None:
    triggers = [d for d in MANIFESTS if d["kind"] == "Trigger"]
    assert triggers
    for trigger in triggers:
        assert trigger["spec"]["subscriber"]["ref"]["name"] in STACK
        assert payload_class(trigger["spec"]["filter"]["attributes"]["type"])


@pytest.mark.parametrize("name", STACK)
def test_whoever_asks_for_embeddings_may_have_a_key_for_them(name: str) -> None:
    asks = name in ("embed", "embed-worker", "search")
    assert ("embedding-api-key" in STACK[name].get("secrets", [])) == asks
