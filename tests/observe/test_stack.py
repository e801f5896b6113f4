"""The stack itself: its Compose file, and what the servers that cannot be had here are told."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observe.expressions import ROOT
from tests.prometheus import promtool
from tests.rendering.test_compose import SERVICE, TOP, tool

OBSERVE = ROOT / "observe"
STACK: dict[str, Any] = yaml.safe_load((OBSERVE / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
MOUNTED = [volume.split(":") for body in SERVICES.values() for volume in body["volumes"]]


def test_no_key_is_unknown_or_of_the_wrong_type() -> None:
    top = TOP | {"name": str, "networks": dict}
    assert {key for key, value in STACK.items() if not isinstance(value, top[key])} == set()
    of_a_service = SERVICE | {"networks": list, "depends_on": (list, dict)}
    for service, body in SERVICES.items():
        assert {key for key, value in body.items() if not isinstance(value, of_a_service[key])} == set(), service


@pytest.mark.parametrize("to", ["local", "remote"])
def test_the_tool_itself_takes_it(to: str, tmp_path: Path) -> None:
    command = tool()
    if command is None:
        pytest.skip("neither docker compose nor docker-compose is on the PATH")
    folder = tmp_path / "observe"
    shutil.copytree(OBSERVE / "alloy", folder / "alloy")
    remote = folder / "alloy" / "to" / "remote"
    shutil.copy(remote / "alloy.env.example", remote / "alloy.env")
    document = {key: value for key, value in STACK.items() if key != "name" or command[0] != "docker-compose"}
    (folder / "compose.yaml").write_text(yaml.safe_dump(document))
    command = [*command, "--project-directory", str(folder), "-f", str(folder / "compose.yaml"), "config"]
    environment = {"PATH": os.environ["PATH"], "ALLOY_TO": to}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert ended.returncode == 0, ended.stderr
    alloy = yaml.safe_load(ended.stdout)["services"]["alloy"]
    assert any(f"alloy/to/{to}/to.alloy" in str(volume) for volume in alloy["volumes"])
    assert ("TEMPO_REMOTE_ENDPOINT" in alloy["environment"]) == (to == "remote")


def test_every_image_has_a_version_and_no_more_rights_than_it_needs() -> None:
    for service, body in SERVICES.items():
        assert re.fullmatch(r"(grafana|prom)/[a-z]+:v?\d+\.\d+\.\d+", body["image"]), service
        assert body["cap_drop"] == ["ALL"], service
        assert body["mem_limit"], service


def test_nothing_is_reached_from_elsewhere_but_what_apps_send_to() -> None:
    published = {service: body.get("ports", []) for service, body in SERVICES.items()}
    elsewhere = {port for ports in published.values() for port in ports if not port.startswith("127.0.0.1:")}
    assert {port.rsplit(":", 1)[1] for port in elsewhere} == {"4317", "4318", "4040"}
    assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for port in elsewhere)


def test_every_file_that_is_mounted_is_there_and_every_file_of_alloy_is_mounted() -> None:
    files = {source.replace("${ALLOY_TO", "local").split("}")[0] for source, *_ in MOUNTED if source.startswith("./")}
    for file in files:
        assert (OBSERVE / file.replace("local", "local/to.alloy") if "/to/" in file else OBSERVE / file).exists(), file
    mounted = {Path(source).name for source, *_ in MOUNTED if source.startswith("./alloy/")}
    assert {file.name for file in (OBSERVE / "alloy").glob("*.alloy")} <= mounted
    named = {source for source, *_ in MOUNTED if not source.startswith((".", "/", "$"))}
    assert named == STACK["volumes"].keys()


@pytest.mark.parametrize("name", ["prometheus.yml", "laptop.yml"])
def test_promtool_takes_the_configuration(name: str) -> None:
    ended = promtool("check", "config", name)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_everybody_sends_to_a_port_that_somebody_listens_on() -> None:
    """Names and ports of the servers, wherever the stack's files say them."""
    listening = {
        "loki": {3100},
        "tempo": {3200, 4318},
        "pyroscope": {4040},
        "prometheus": {9090},
        "grafana": {3000},
        "alertmanager": {9093},
        "alloy": {4317, 4318, 4040},
    }
    for name in ("loki", "tempo", "pyroscope"):
        server = yaml.safe_load((OBSERVE / name / f"{name}.yaml").read_text())["server"]
        assert server["http_listen_port"] in listening[name]
    texts = [file.read_text() for file in OBSERVE.rglob("*") if file.suffix in (".yaml", ".yml", ".alloy")]
    said = {
        each
        for text in texts
        for each in re.findall(r"\b(loki|tempo|pyroscope|prometheus|grafana|alertmanager):(\d{4,})", text)
    }
    for page in ("docs/observe.md", "deploy/compose/.env.example"):
        said |= set(re.findall(r"(alloy):(\d+)", (ROOT / page).read_text()))
    assert {name for name, _ in said} >= {"loki", "tempo", "pyroscope", "prometheus", "alloy", "alertmanager"}
    assert [each for each in said if int(each[1]) not in listening[each[0]]] == []


def test_no_log_of_the_stack_leaves_to_its_makers() -> None:
    """Each of them reports its use, unless told not to."""
    for name, key in (("loki", "analytics"), ("tempo", "usage_report"), ("pyroscope", "analytics")):
        assert yaml.safe_load((OBSERVE / name / f"{name}.yaml").read_text())[key] == {"reporting_enabled": False}
    assert "--disable-reporting" in SERVICES["alloy"]["command"]
    assert SERVICES["grafana"]["environment"]["GF_ANALYTICS_REPORTING_ENABLED"] == "false"
