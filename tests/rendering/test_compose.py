"""Compose files: valid by the specification, health-gated, bounded, and of one story with their .env.example."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rendering import compose, environment_files
from rendering.stack import VMS
from tests.rendering.world import ROOT, Json, ours

DESCRIPTION = ours()
FOLDER = ROOT / "deploy" / "compose"
NAMES = ["compose", *VMS]
FILES = {name: yaml.safe_load((FOLDER / f"{name}.yaml").read_text()) for name in NAMES}
# The part of the Compose specification that we use; a test with the tool itself covers the rest.
TOP = {"name": str, "services": dict, "secrets": dict, "volumes": dict}
SERVICE: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("image", "restart", "mem_limit", "memswap_limit", "stop_grace_period", "shm_size", "user"), str),
    **dict.fromkeys(("environment", "build", "depends_on", "healthcheck", "labels", "logging"), dict),
    **dict.fromkeys(
        ("command", "env_file", "volumes", "ports", "tmpfs", "cap_drop", "security_opt", "extra_hosts", "profiles"),
        list,
    ),
    "secrets": list,
    "init": bool,
    "read_only": bool,
    "cpus": (int, float),
    "pids_limit": int,
}
HEALTH = {"disable", "test", "interval", "timeout", "retries", "start_period"}
CONDITIONS = {"service_healthy", "service_completed_successfully", "service_started"}
ONCE = {"migrate"}


def services(name: str) -> dict[str, Json]:
    found: dict[str, Json] = FILES[name]["services"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_key_is_unknown_or_of_the_wrong_type(name: str) -> None:
    assert {key for key, value in FILES[name].items() if not isinstance(value, TOP[key])} == set()
    for service, body in services(name).items():
        assert {key for key, value in body.items() if not isinstance(value, SERVICE[key])} == set(), service
        assert set(body.get("healthcheck", {})) <= HEALTH, service
        for after, how in body.get("depends_on", {}).items():
            assert after in services(name), service
            assert how["condition"] in CONDITIONS, service


@pytest.mark.parametrize("name", NAMES)
def test_what_a_service_names_is_there(name: str) -> None:
    declared = FILES[name].get("volumes", {})
    for service, body in services(name).items():
        for volume in body.get("volumes", ()):
            source = volume.split(":")[0]
            assert (FOLDER / source).exists() if source.startswith(".") else source in declared, (service, volume)
        assert {each["source"] for each in body.get("secrets", ())} <= FILES[name]["secrets"].keys(), service


@pytest.mark.parametrize("name", NAMES)
def test_whoever_lasts_is_bounded_restarted_and_asked_how_it_is(name: str) -> None:
    for service, body in services(name).items():
        assert body["mem_limit"] == body["memswap_limit"], service
        assert body["restart"] == ("on-failure" if service in ONCE else "unless-stopped"), service
        asked = "test" in body["healthcheck"]
        assert asked == (service not in ONCE), service


@pytest.mark.parametrize("name", NAMES)
def test_our_own_have_no_more_rights_than_they_need(name: str) -> None:
    for service, body in services(name).items():
        if service not in ("postgres", "redis"):
            assert body["read_only"], service
            assert body["cap_drop"] == ["ALL"], service
            assert body["security_opt"] == ["no-new-privileges:true"], service


def test_redis_never_drops_work() -> None:
    for name in ("compose", "orchestrator"):
        assert "--maxmemory-policy noeviction" in services(name)["redis"]["command"][-1]
    assert compose.REDIS_DATA_MIB < compose.REDIS_MIB


def test_every_function_is_on_one_machine_and_all_are_on_the_single_one() -> None:
    names = {each.name for each in DESCRIPTION.functions}
    assert names <= services("compose").keys()
    placed = [service for vm in VMS for service in services(vm) if service in names]
    assert sorted(placed) == sorted(names)


def test_each_machine_finds_the_functions_of_the_others() -> None:
    """Each is reached at a name and port that another machine publishes."""
    for vm in VMS:
        for service, body in services(vm).items():
            for host in body.get("extra_hosts", ()):
                name, address = host.split(":", 1)
                there = address.removeprefix("${").removesuffix("_ADDRESS}").lower()
                assert services(there)[name]["ports"], (service, host)


def test_membership_is_asked_at_the_port_that_is_open_to_whoever_asks() -> None:
    """Its own on its machine, the published one on the others."""
    for vm in VMS:
        said = dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", (FOLDER / f"{vm}.env.example").read_text()))
        here = "membership" in services(vm)
        port = 8080 if here else services("gateway")["membership"]["ports"][0].split(":")[-2]
        assert said.get("MEMBERSHIP_URL", f"http://membership:{port}") == f"http://membership:{port}", vm


def test_nothing_but_nginx_listens_to_everybody() -> None:
    for name in NAMES:
        for service, body in services(name).items():
            open_to_all = [port for port in body.get("ports", ()) if not port.startswith("${BIND_ADDRESS")]
            assert open_to_all == [] or service == "nginx", (name, service)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_says_all_that_the_file_asks_for(name: str) -> None:
    file = FOLDER / (".env.example" if name == "compose" else f"{name}.env.example")
    said = dict(line.split("=", 1) for line in file.read_text().splitlines() if line and line[0] != "#")
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (FOLDER / f"{name}.yaml").read_text()))
    assert asked - {"SECRETS"} <= said.keys()
    functions = [each for each in DESCRIPTION.functions if each.name in services(name)]
    wanted = {
        variable for each in functions for variable in each.environment if variable in environment_files.CONNECTIONS
    }
    assert wanted <= said.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_tool_itself_takes_it(name: str, tmp_path: Path) -> None:
    command = tool()
    if command is None:
        pytest.skip("neither docker compose nor docker-compose is on the PATH")
    document: dict[str, Any] = dict(FILES[name])
    if command[0] == "docker-compose":
        del document["name"]  # the first version of the tool is older than this key
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(document))
    example = FOLDER / (".env.example" if name == "compose" else f"{name}.env.example")
    shutil.copy(example, tmp_path / ".env")
    command = [*command, "--project-directory", str(tmp_path), "-f", str(tmp_path / "compose.yaml"), "config", "-q"]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": os.environ["PATH"]}
    )
    assert ended.returncode == 0, ended.stderr


def tool() -> list[str] | None:
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return [docker, "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def test_secrets_are_made_once_and_fit_one_another(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    command = [str(ROOT / "scripts" / "secrets"), str(folder)]
    subprocess.run(command, check=True, timeout=30)
    made = {file.name: file.read_text() for file in folder.iterdir()}
    assert made.keys() == set(compose.secrets_of(services("compose")))
    assert made["postgres-password"].strip() in made["database-url"]
    assert made["redis-password"].strip() in made["redis-url"]
    assert folder.stat().st_mode & 0o777 == 0o700
    subprocess.run(command, check=True, timeout=30)
    assert made == {file.name: file.read_text() for file in folder.iterdir()}
