"""The page of events says what the contracts and the triggers say."""

import re
from collections import defaultdict

import pytest
import yaml

from gateway.events import URLS_SUBMITTED
from shared.contracts.payload import DocumentPayload, JobPayload
from shared.contracts.registry import ALIASES, ANNOUNCED, DIRECT, MODELS, payload_class
from tests.docs.source import PAGES, ROOT, rows

STACK = yaml.safe_load((ROOT / "stack.yml").read_text())["functions"]
OTHERS = {"PingSource"}


def subscribers() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "triggers").glob("*.yaml"):
        for manifest in yaml.safe_load_all(path.read_text()):
            if manifest and manifest["kind"] == "Trigger":
                event_type = manifest["spec"]["filter"]["attributes"]["type"]
                found[ALIASES.get(event_type, event_type)].add(manifest["spec"]["subscriber"]["ref"]["name"])
    return found


def listed() -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in rows("events.md")}


def test_the_page_has_every_type_and_no_other() -> None:
    assert list(listed()) == list(MODELS)


def test_the_types_that_the_text_names_exist() -> None:
    named = set(re.findall(r"`(dev\.[a-z._]+\d?)`", (PAGES / "events.md").read_text()))
    assert named == {*MODELS, *ALIASES, URLS_SUBMITTED}


@pytest.mark.parametrize("event_type", MODELS)
def test_a_row_says_what_the_contract_and_the_triggers_say(event_type: str) -> None:
    sent_by, goes_to, _, data, extensions = listed()[event_type]
    model = payload_class(event_type)
    fields = [f"`{name}`" + ("" if field.is_required() else "?") for name, field in model.model_fields.items()]
    assert data == (", ".join(fields) or "none")
    ours = ["`jobid`"] * issubclass(model, JobPayload) + ["`token`"] * issubclass(model, DocumentPayload)
    assert extensions == (", ".join(ours) or "none")
    wanted = subscribers().get(event_type, set())
    assert set(goes_to.split(", ")) == wanted if wanted else goes_to in ("orchestrator, directly", "whoever subscribes")
    assert (goes_to == "orchestrator, directly") == (event_type in DIRECT)
    assert wanted or event_type in DIRECT | ANNOUNCED
    assert set(sent_by.split(", ")) <= STACK.keys() | OTHERS
