"""`sluice cesql`, `filter` and `kpa`: the emulator's pure parts, asked from outside."""

import json
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Cli
from tests.shared_data import path

EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "size": 12, "flag": True, "data": {"a": [1]}}


async def filtered(sluice: Cli, trigger: str, event: Any = EVENT) -> dict[str, Any]:
    (sluice.folder / "trigger").write_text(trigger)
    (sluice.folder / "event").write_text(json.dumps(event))
    ended = await sluice("filter", "--trigger", "trigger", "--event", "event", "--json")
    assert ended.code == 0, ended.err
    found = ended.json()
    assert isinstance(found, dict)
    return found


def trigger(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": {"name": "t"}, "spec": spec}


@pytest.mark.parametrize(
    ("expression", "value"),
    [("type = 't'", True), ("size + 1", 13), ("type", "t"), ("flag AND size > 20", False), ("UPPER('ä')", "Ä")],
)
async def test_cesql_prints_the_value_as_json(sluice: Cli, expression: str, value: Any) -> None:
    ended = await sluice("cesql", expression, "--event", "-", stdin=json.dumps(EVENT))
    assert (ended.code, ended.json(), ended.err) == (0, value, "")


async def test_cesql_tells_errors_apart(sluice: Cli) -> None:
    ended = await sluice("cesql", "tenant = 'a'", "--event", "-", stdin=json.dumps(EVENT))
    assert (ended.code, ended.out) == (1, "false\n")
    assert "missingAttribute: the event has no tenant" in ended.err
    ended = await sluice("cesql", "type = (", "--event", "-", stdin=json.dumps(EVENT))
    assert (ended.code, ended.out, "not a CESQL expression" in ended.err) == (2, "", True)


@pytest.mark.parametrize("content", ["", "[]", '{"type": 1.5}', '{"type": ["t"]}', "\xff", "[" * 100_000])
async def test_what_is_no_event_is_refused(sluice: Cli, content: str) -> None:
    (sluice.folder / "event").write_bytes(content.encode("latin-1"))
    ended = await sluice("cesql", "TRUE", "--event", "event")
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err


async def test_a_trigger_in_yaml_or_json_is_answered_with_a_reason(sluice: Cli) -> None:
    wanted = trigger(broker="b", filters=[{"exact": {"size": "12"}}])
    expected = {"match": True, "reason": "spec.filters[0].exact.size: size is '12'"}
    assert await filtered(sluice, yaml.safe_dump(wanted)) == expected
    assert await filtered(sluice, json.dumps(wanted)) == expected
    headers = {"ce-type": "t", "Ce-Size": "12", "content-type": "text/plain"}
    assert (await filtered(sluice, json.dumps(wanted), headers))["match"]
    media = {"filter": {"attributes": {"datacontenttype": "text/plain"}}}
    assert (await filtered(sluice, json.dumps(media), headers))["match"]
    ended = await sluice("filter", "--trigger", "trigger", "--event", "event")
    assert ended.out == "match: spec.filter.attributes.datacontenttype: datacontenttype is 'text/plain'\n"


async def test_what_a_cluster_refuses_is_said_beside_the_answer(sluice: Cli) -> None:
    two = trigger(filters=[{"exact": {"type": "t"}, "prefix": {"source": "/zzz"}}])
    found = await filtered(sluice, json.dumps(two))
    assert found["match"]
    assert "multiple dialects: exact, prefix" in found["refused"]


@pytest.mark.parametrize(
    "content",
    [
        *(
            "",
            "kind: Broker",
            "- 1",
            "spec: 3",
            "{spec: {filters: {}}}",
            "{spec: {filters: [{exakt: {}}]}}",
            "a: [",
            "\t",
        ),
        *("{spec: {filter: {attributes: {type: 3}}}}", "{kind: Trigger}\n---\n{kind: Trigger}", "{a: &a [1], b: *a}"),
        '{"filters": ' + '[{"all": ' * 400 + "[]" + "}]" * 400 + "}",
    ],
)
async def test_what_is_no_trigger_is_refused(sluice: Cli, content: str) -> None:
    (sluice.folder / "trigger").write_text(content)
    ended = await sluice("filter", "--trigger", "trigger", "--event", "-", stdin="{}")
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err


async def test_kpa_gives_the_recorded_decisions(sluice: Cli) -> None:
    recorded = json.loads(path("golden/knative/kpa_decisions.json").read_text())[:1]
    asked = [{key: value for key, value in trace.items() if key != "ticks"} for trace in recorded]
    ended = await sluice("kpa", "-", stdin=json.dumps(asked))
    assert (ended.code, ended.json()) == (0, recorded)
