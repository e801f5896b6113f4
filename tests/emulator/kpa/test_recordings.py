"""The real autoscaler's recorded decisions, every tick of them."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from cli import kpa
from cli.failure import CommandFailed
from emulator.kpa import simulate, traces
from tests import shared_data


@pytest.fixture(scope="module")
def recordings() -> Any:
    return json.loads(shared_data.path("golden/knative/kpa_decisions.json").read_text())


def run(path: Path | str) -> int:
    parser = argparse.ArgumentParser()
    kpa.add_parser(parser.add_subparsers())
    return kpa.run(parser.parse_args(["kpa", str(path)]))


def test_every_recorded_tick_is_decided_exactly(recordings: Any) -> None:
    played = traces.parse(json.dumps(recordings))
    assert len(played) == len(recordings)
    for given, trace in played:
        assert [tick.as_json() for tick in simulate.ticks(trace)] == given["ticks"], given["name"]


def test_the_command_adds_ticks_to_traces_that_have_none(
    recordings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = [{name: value for name, value in trace.items() if name != "ticks"} for trace in recordings]
    path = tmp_path / "traces.json"
    path.write_text(json.dumps(bare))
    assert run(path) == 0
    assert capsys.readouterr().out == json.dumps(recordings) + "\n"


def test_the_command_names_the_file_and_the_field_at_fault(tmp_path: Path) -> None:
    path = tmp_path / "traces.json"
    path.write_text('[{"spec": {"target": 7, "total": "ten"}, "valuePerSecond": []}]')
    with pytest.raises(CommandFailed, match=r"traces\.json: \[0\]\.spec\.total: must be a number") as failure:
        run(path)
    assert failure.value.exit_code == 2


@pytest.mark.parametrize(("content", "told"), [(None, "cannot read"), (b"\xff", "UTF-8"), (b"{", "not JSON")])
def test_the_command_says_why_a_file_is_of_no_use(content: bytes | None, told: str, tmp_path: Path) -> None:
    path = tmp_path / "traces.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandFailed, match=told):
        run(path)
