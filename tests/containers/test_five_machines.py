"""Five machines on one host: each has a network of its own, and the host's address in it is the machine's."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from demo.pages import own_site
from rendering.stack import VMS
from tests.containers import building, world
from tests.containers.conftest import IMAGE
from tests.containers.engine import Engine
from tests.containers.world import Client, Project
from tests.local_http import closed_port
from tests.rendering.world import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600), pytest.mark.xdist_group("containers")]

BUCKET = "sluice"
S3_PORT = 9000
MODEL = {"EMBEDDING_MODEL": "all-MiniLM-L6-v2", "EMBEDDING_DIMENSION": "384", "COMPOSE_PROFILES": "cpu"}
CPU = {"EMBED_BATCH_TOKENS": "4096", "EMBED_CONCURRENCY": "2", "EMBEDDING_TIMEOUT_SECONDS": "180"}
CHUNKS = {"CHUNK_MAX_TOKENS": "250", "CHUNK_OVERLAP_TOKENS": "50", "EMBEDDING_QUERY_PREFIX": ""}
# Postgres and Redis first, as the page on deploying says; the others in any order.
ORDER = ("orchestrator", "embedding", "chunking", "scraper", "gateway")


@contextmanager
def network(engine: Engine, name: str) -> Iterator[str]:
    """Its gateway's address: where the host can be reached in it."""
    engine("network", "create", name)
    try:
        [found] = engine.inspected(name)
        yield found["IPAM"]["Config"][0]["Gateway"]
    finally:
        engine("network", "rm", name)


@contextmanager
def object_store(engine: Engine, base: str, name: str, address: str) -> Iterator[str]:
    """What speaks S3, on an address that every machine reaches."""
    import moto

    libraries = Path(moto.__file__).parents[1]
    words = ("--publish", f"{address}:{S3_PORT}:{S3_PORT}", "--volume", f"{libraries}:/libraries:ro")
    serve = ("python3", "-m", "moto.server", "--host", "0.0.0.0", "--port", str(S3_PORT))
    engine("run", "--detach", "--name", name, "--env", "PYTHONPATH=/libraries", *words, base, *serve)
    try:
        make = f"import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:{S3_PORT}/{BUCKET}', method='PUT'))"
        made = lambda: engine.tried("docker", "exec", name, "python3", "-c", make).returncode == 0  # noqa: E731
        world.until(made, 60, lambda: engine("logs", name))
        yield f"http://{address}:{S3_PORT}"
    finally:
        engine("rm", "--force", "--volumes", name)


@pytest.fixture(scope="module")
def client(docker: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, str]]:
    run, base = f"sluice-five-{uuid4().hex[:8]}", building.base_image(docker)
    secrets = tmp_path_factory.mktemp("secrets")
    docker.tried(str(ROOT / "scripts" / "secrets"), str(secrets))
    with ExitStack() as stack:
        addresses = {vm: stack.enter_context(network(docker, f"{run}-{vm}")) for vm in VMS}
        store = stack.enter_context(object_store(docker, base, f"{run}-s3", addresses["orchestrator"]))
        port = closed_port()
        given = {
            "SLUICE_IMAGE": IMAGE,
            "SECRETS": str(secrets),
            "HTTP_PORT": str(port),
            **{f"{vm.upper()}_ADDRESS": address for vm, address in addresses.items()},
            **MODEL,
            **CPU,
            **CHUNKS,
            "EMBEDDING_API_BASE_URL": f"http://{addresses['embedding']}:8082/v1",
            "AWS_ENDPOINT_URL": store,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "SCRAPE_ALLOW_NETWORKS": "172.16.0.0/12,192.168.0.0/16",
            "SCRAPE_DOMAIN_DELAY_SECONDS": "0",
        }
        projects = {}
        for vm in ORDER:
            folder = tmp_path_factory.mktemp(vm)
            world.laid_out(folder, f"{vm}.yaml", {**given, "BIND_ADDRESS": addresses[vm]})
            projects[vm] = Project(docker, f"{run}-{vm}", folder / "deploy" / "compose", f"{vm}.yaml")
            stack.callback(projects[vm].down)
            projects[vm].up()
        key = projects["gateway"].ask("membership", "python", "-m", "functions.membership.admin_key", "ops")
        with world.site(docker, base, f"{run}-scraper_default") as site:
            yield Client(f"http://127.0.0.1:{port}", key.splitlines()[0]), site
    assert [projects[vm].left() for vm in ORDER] == [{}] * len(ORDER)


def test_a_page_goes_through_all_five(client: tuple[Client, str]) -> None:
    """Fetched on one, cut on another, embedded on a third; its state on a fourth, its searcher on the fifth."""
    person, site = client
    paths = [path for path, page in own_site().items() if page.status == 200][:6]
    job = person.post("/api/orchestrator/jobs", {"corpus": "five", "urls": [site + path for path in paths]})
    assert person.ended(job["job_id"])["status"] == "completed"
    assert len(person.search("five", "water")) == 3
