"""Compose's platform on one machine, of images built as they deploy: well from nothing, does the demo's job, mends."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import yaml

from demo.pages import own_site
from tests.containers import building, world
from tests.containers.conftest import IMAGE
from tests.containers.engine import Engine
from tests.containers.world import Client, Project
from tests.local_http import closed_port
from tests.rendering.world import ROOT, ours

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600), pytest.mark.xdist_group("containers")]

FUNCTIONS = sorted({each.image_of for each in ours().functions})
FILE = "compose.yaml"
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose" / FILE).read_text())["services"]
BUILD_TOOLS = ("gcc", "cc", "ld", "make", "git")
LOOK = f"""
id -u
for tool in {" ".join(BUILD_TOOLS)}; do command -v $tool; done
ls functions gateway 2>/dev/null
find /app /opt -user 10001 | head
"""
MIB = 1024 * 1024
# Whose children are ended: whoever holds a document, or brings the word that there is one.
VICTIMS = ("scrape-worker", "orchestrator", "embed-worker")


@dataclass(frozen=True)
class Platform:
    project: Project
    client: Client
    site: str


@pytest.fixture(scope="module")
def platform(docker: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("one-machine")
    port, name = closed_port(), f"sluice-test-{uuid4().hex[:8]}"
    given = {
        "SLUICE_IMAGE": IMAGE,
        "HTTP_PORT": str(port),
        "SCRAPE_ALLOW_NETWORKS": "172.16.0.0/12,192.168.0.0/16",
        "SCRAPE_DOMAIN_DELAY_SECONDS": "0",
        "LEASE_SECONDS": "10",
    }
    world.laid_out(folder, FILE, given)
    compose = folder / "deploy" / "compose"
    docker.tried(str(ROOT / "scripts" / "secrets"), str(compose / "secrets"))
    project = Project(docker, name, compose, FILE)
    try:
        project.up()
        key = project.ask("membership", "python", "-m", "functions.membership.admin_key", "ops").splitlines()[0]
        with world.site(docker, building.base_image(docker), f"{name}_default") as site:
            yield Platform(project, Client(f"http://127.0.0.1:{port}", key), site)
    finally:
        project.down()
        assert project.left() == {}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_image_runs_as_nobody_and_holds_no_tools(function: str, docker: Engine) -> None:
    image = f"{IMAGE}-{function}:latest"
    [found] = docker.inspected(image)
    config: dict[str, Any] = found["Config"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["dev.sluice.function"] == function
    assert re.fullmatch(r"[0-9a-f]{12}(-dirty)?", config["Labels"]["org.opencontainers.image.revision"])
    assert config["Healthcheck"]["Test"][-1] == "shared.runtime.healthcheck"
    confined = ("--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none")
    looked = docker("run", *confined, image, "sh", "-c", LOOK)
    lines = looked.splitlines()
    assert lines[0] == "10001"
    assert [line for line in lines if line.split("/")[-1] in BUILD_TOOLS] == []
    others = set(FUNCTIONS) - {function}
    assert others & set(lines) == set(), "another function's code is in it"
    assert [line for line in lines if line.startswith(("/app", "/opt"))] == [], "it could write to its own code"


@pytest.mark.parametrize("service", sorted(COMPOSE))
def test_a_container_is_bounded_as_its_file_says(service: str, platform: Platform) -> None:
    body, host = COMPOSE[service], platform.project.containers()[service]["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == int(body["mem_limit"].removesuffix("m")) * MIB
    assert host["NanoCpus"] == int(body["cpus"] * 1_000_000_000)
    assert host["PidsLimit"] == body["pids_limit"]
    assert host["RestartPolicy"]["Name"] == body["restart"]
    assert host["ReadonlyRootfs"] == body.get("read_only", False)
    assert (host["CapDrop"] or []) == body.get("cap_drop", [])


def test_redis_drops_nothing_and_is_not_root(platform: Platform) -> None:
    cli = 'REDISCLI_AUTH="$(cat /run/secrets/redis-password)" redis-cli config get maxmemory-policy'
    assert platform.project.ask("redis", "sh", "-c", cli).split()[-1] == "noeviction"
    owner = "for p in /proc/[0-9]*; do grep -q redis-server $p/comm && stat -c %U $p; done; true"
    assert platform.project.ask("redis", "sh", "-c", owner).split() == ["redis"]


def test_the_demo_s_job_ends_as_on_a_laptop(platform: Platform) -> None:
    """Through nginx: pages of every kind go in, and are found."""
    urls = [platform.site + path for path in own_site()]
    job = platform.client.post("/api/orchestrator/jobs", {"corpus": "demo", "urls": urls})
    ended = platform.client.ended(job["job_id"])
    assert ended["status"] == "completed_with_errors"
    path = f"/api/orchestrator/jobs/{job['job_id']}/documents?status=failed"
    failed = {
        each["url"].removeprefix(platform.site): each["error_code"] for each in platform.client.get(path)["documents"]
    }
    assert failed == {
        "/gone": "http_404",
        "/private/plans": "robots_disallowed",
        "/map.png": "unsupported_content_type",
    }
    found = platform.client.search("demo", "how does a lock save water")
    assert len(found) == 3
    assert {each["url"] for each in found} <= {*urls}


def test_who_dies_in_the_middle_of_a_job_costs_no_page(platform: Platform) -> None:
    """Killed as the kernel does it for want of memory: the engine starts them again, and every page ends."""
    urls = [
        platform.site + path for path, page in own_site().items() if b"<p>" in page.body and path[:9] != "/private/"
    ]
    job = platform.client.post("/api/orchestrator/jobs", {"corpus": "killed", "urls": urls})
    for victim in VICTIMS:
        platform.project.kill(victim)
    ended = platform.client.ended(job["job_id"])
    assert ended["status"] == "completed", ended
    world.until(lambda: restarts(platform) == [1, 1, 1], 60, lambda: str(restarts(platform)))
    world.until(lambda: platform.project.unwell() == {}, 120, lambda: str(platform.project.unwell()))


def restarts(platform: Platform) -> list[int]:
    containers = platform.project.containers()
    return [containers[victim]["RestartCount"] for victim in VICTIMS]


def test_a_backup_is_restored_as_the_runbook_says(platform: Platform) -> None:
    urls = [f"{platform.site}/aqueduct"]
    job = platform.client.post("/api/orchestrator/jobs", {"corpus": "kept", "urls": urls})
    assert platform.client.ended(job["job_id"])["status"] == "completed"
    before = platform.client.search("kept", "a bridge for boats")
    platform.project.ask("postgres", "sh", "-ec", "pg_dump -U sluice --format custom sluice >/tmp/sluice.dump")
    platform.project("stop", "--timeout", "10", *(COMPOSE.keys() - {"postgres", "redis", "migrate"}))
    platform.project.ask("postgres", "sh", "-ec", RESTORE)
    platform.project.ask("redis", "sh", "-c", 'REDISCLI_AUTH="$(cat /run/secrets/redis-password)" redis-cli flushdb')
    platform.project.up()
    assert platform.client.search("kept", "a bridge for boats") == before
    assert before


RESTORE = """
dropdb -U sluice sluice
createdb -U sluice sluice
pg_restore -U sluice --no-owner --exit-on-error -d sluice /tmp/sluice.dump
"""
