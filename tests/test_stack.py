"""stack.yml and triggers/ tell one story; what rendering refuses is in tests/rendering."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.contracts.registry import payload_class

ROOT = Path(__file__).parent.parent
STACK: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "stack.yml").read_text())["functions"]
MANIFESTS = [d for path in sorted((ROOT / "triggers").glob("*.yaml")) for d in yaml.safe_load_all(path.read_text())]


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
