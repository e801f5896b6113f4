"""Compose files: one for a single machine, and five for five machines."""

from collections.abc import Iterable, Mapping

from rendering import migration, pods, settings
from rendering.description import Description
from rendering.located import Json
from rendering.stack import INFERENCE, VMS, Function

POSTGRES_IMAGE, REDIS_IMAGE, NGINX_IMAGE = "pgvector/pgvector:pg18", "redis:8-alpine", "nginx:1.28-alpine"
REDIS_MIB, POSTGRES_MIB, NGINX_MIB = 512, 2048, 128
# Of the memory limit: the rest is for Redis's own buffers and its copy on write.
REDIS_DATA_MIB = 384
MEMBERSHIP_PORT = 8081
# noeviction: any other policy drops work that waits, and says nothing. The image's entry point gives up root.
REDIS_START = (
    f"exec docker-entrypoint.sh redis-server --appendonly yes --maxmemory {REDIS_DATA_MIB}mb "
    '--maxmemory-policy noeviction --requirepass "$$(cat /run/secrets/redis-password)"'
)
REDIS_CHECK = 'REDISCLI_AUTH="$$(cat /run/secrets/redis-password)" redis-cli ping | grep -q PONG'
LOGGING = {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}}
HEALTH = ("python", "-m", "shared.runtime.healthcheck")
DATABASE_SECRETS = ("postgres-password",)
BUILD_VARIABLES = ("BASE_IMAGE", "PIP_NO_INDEX", "PIP_INDEX_URL", "PIP_TRUSTED_HOST")


def single(description: Description) -> Json:
    """Everything on one machine; only nginx is reachable from outside."""
    found = {**_data(published=False), "migrate": _migrate(description, local=True)}
    for function in description.functions:
        found[function.name] = _service(function, description, local=True)
    found["nginx"] = _nginx()
    return _file("sluice", found, volumes=("postgres", "redis", "objects", "models"))


def machine(description: Description, vm: str) -> Json:
    """One of the five. Its functions listen on the machine's private address."""
    ours = [each for each in description.functions if each.vm == vm]
    found: dict[str, Json] = {}
    if vm == "orchestrator":
        found |= {**_data(published=True), "migrate": _migrate(description, local=False)}
    for function in ours:
        found[function.name] = _service(function, description, local=False)
    if vm == "gateway":
        found["nginx"] = _nginx()
    volumes = ("postgres", "redis") if vm == "orchestrator" else ("models",) if vm == "embedding" else ()
    return _file(f"sluice-{vm}", found, volumes=volumes)


def secrets_of(services: Mapping[str, Json]) -> list[str]:
    return sorted({each["source"] for service in services.values() for each in service.get("secrets", ())})


def _file(name: str, services: dict[str, Json], volumes: tuple[str, ...]) -> Json:
    secrets = {each: {"file": f"${{SECRETS:-./secrets}}/{each}"} for each in secrets_of(services)}
    return {
        "name": name,
        "services": services,
        "secrets": secrets,
        **({"volumes": {each: {} for each in volumes}} if volumes else {}),
    }


def _service(function: Function, description: Description, *, local: bool) -> Json:
    environment = _environment(function, description)
    ready = pods.probe_paths(function)[1]
    stop_s = function.resources.timeout_s + 30 if function.queue is None else 360
    service: Json = {
        "image": function.image,
        "labels": pods.scraped(),
        "command": list(function.command),
        "env_file": [".env"],
        "environment": environment,
        "secrets": [_secret(name) for name in function.secrets],
        "healthcheck": _health([*HEALTH, ready]),
        **_bounds(function.resources.memory_mib, function.resources.cpu_m),
        "stop_grace_period": f"{stop_s}s",
        **_common(),
    }
    if local:
        service["build"] = _build(function)
        service["depends_on"] = _after(_needs(function, description))
        if "OBJECT_STORE_URL" in function.environment:
            service["volumes"] = ["objects:/objects"]
    else:
        _on_the_network(service, function, description)
    if function.name == INFERENCE:
        service["environment"]["MODEL_CACHE_DIR"] = "/models"
        service["volumes"] = ["models:/models"]
        service["profiles"] = ["cpu"]
    return service


def _environment(function: Function, description: Description) -> Json:
    platform = settings.platform(description)
    own = {name: text for name, text in function.environment.items() if name not in platform}
    slots = settings.slots(description)
    mine = {name: text for name, text in slots.items() if name == f"{function.image_of}_SLOTS".upper()}
    return {**own, **mine, "SERVICE_NAME": function.name}


def _on_the_network(service: Json, function: Function, description: Description) -> None:
    """Others reach it at its machine's address, and it finds them by name."""
    if function.queue is None and function.name != "gateway":
        port = MEMBERSHIP_PORT if function.name == "membership" else pods.PORT if function.name != INFERENCE else 8082
        service["ports"] = [f"${{BIND_ADDRESS:?the private address of this machine}}:{port}:{pods.PORT}"]
    elsewhere = [each for each in description.services if each.vm != function.vm and not each.public]
    hosts = [f"{each.name}:${{{each.vm.upper()}_ADDRESS}}" for each in elsewhere if each.name != INFERENCE]
    data = (
        [] if function.vm == "orchestrator" else [f"{name}:${{ORCHESTRATOR_ADDRESS}}" for name in ("postgres", "redis")]
    )
    service["extra_hosts"] = [*hosts, *data]
    if function.vm == "orchestrator":
        service["depends_on"] = _after({"migrate": "service_completed_successfully"})


def _needs(function: Function, description: Description) -> dict[str, str]:
    """Health-gated: nobody starts before what it cannot start without."""
    needs: dict[str, str] = {}
    if "database-url" in function.secrets:
        needs["migrate"] = "service_completed_successfully"
    if "redis-url" in function.secrets:
        needs["redis"] = "service_healthy"
    if "MEMBERSHIP_URL" in function.environment:
        needs["membership"] = "service_healthy"
    if function.public:
        needs[description.eventing.ticked] = "service_healthy"
    return needs


def _after(needs: Mapping[str, str]) -> Json:
    return {name: {"condition": condition} for name, condition in needs.items()}


def _data(*, published: bool) -> dict[str, Json]:
    address = "${BIND_ADDRESS:?the private address of this machine}"
    ports = {
        name: {"ports": [f"{address}:{port}:{port}"]} if published else {} for name, port in (("p", 5432), ("r", 6379))
    }
    postgres = {
        "image": POSTGRES_IMAGE,
        "environment": {
            "POSTGRES_DB": "sluice",
            "POSTGRES_USER": "sluice",
            "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres-password",
        },
        "secrets": [{"source": "postgres-password"}],
        "volumes": ["postgres:/var/lib/postgresql"],
        "shm_size": "256m",
        # By TCP: while a new cluster is being set up, a server answers on the socket alone.
        "healthcheck": _health(["pg_isready", "--host", "127.0.0.1", "--username", "sluice", "--dbname", "sluice"]),
        **ports["p"],
        **_bounds(POSTGRES_MIB, 2000),
        "stop_grace_period": "60s",
        "restart": "unless-stopped",
        "logging": LOGGING,
    }
    redis = {
        "image": REDIS_IMAGE,
        "command": ["sh", "-c", REDIS_START],
        "secrets": [{"source": "redis-password"}],
        "volumes": ["redis:/data"],
        "healthcheck": _health(["sh", "-c", REDIS_CHECK]),
        **ports["r"],
        **_bounds(REDIS_MIB, 1000),
        "stop_grace_period": "30s",
        "restart": "unless-stopped",
        "logging": LOGGING,
    }
    return {"postgres": postgres, "redis": redis}


def _migrate(description: Description, *, local: bool) -> Json:
    orchestrator = description.function(description.eventing.ticked)
    return {
        **({"build": _build(orchestrator)} if local else {}),
        "image": orchestrator.image,
        "command": list(migration.COMMAND),
        "secrets": [_secret(name) for name in migration.SECRETS],
        "depends_on": _after({"postgres": "service_healthy"}),
        "healthcheck": {"disable": True},
        **_bounds(256, 500),
        **(_common() | {"restart": "on-failure"}),
    }


def _nginx() -> Json:
    """The edge's own files, mounted; the image's entry point fills in the template from the environment."""
    edge = "../../gateway/nginx"
    return {
        "image": NGINX_IMAGE,
        "user": "101:101",
        "env_file": [".env"],
        "ports": ["${HTTP_PORT:-80}:8080"],
        "volumes": [
            f"{edge}/nginx.conf:/etc/nginx/nginx.conf:ro",
            f"{edge}/edge:/etc/nginx/edge:ro",
            f"{edge}/plain:/etc/nginx/templates:ro",
        ],
        "healthcheck": _health(["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/health"]),
        "depends_on": _after({"gateway": "service_healthy"}),
        **_bounds(NGINX_MIB, 1000),
        **(_common() | {"tmpfs": ["/tmp", "/etc/nginx/conf.d:uid=101,gid=101"]}),  # noqa: S108
    }


def _build(function: Function) -> Json:
    # Null: from the environment where Compose runs, and what the Dockerfile says where it is not set there.
    arguments = {"FUNCTION": function.image_of, "GIT_SHA": "${SLUICE_TAG:-latest}", **dict.fromkeys(BUILD_VARIABLES)}
    return {"context": "../..", "dockerfile": "deploy/Dockerfile", "args": arguments}


def _secret(name: str) -> Json:
    return {"source": name, "target": f"{pods.SECRETS_DIR}/{name}"}


def _health(command: Iterable[str]) -> Json:
    times = {"interval": "10s", "timeout": "5s", "retries": 6, "start_period": "30s"}
    return {"test": ["CMD", *command], **times}


def _bounds(memory_mib: int, cpu_m: int) -> Json:
    """No swap: what is over its memory ends, and starts again."""
    return {"mem_limit": f"{memory_mib}m", "memswap_limit": f"{memory_mib}m", "cpus": cpu_m / 1000, "pids_limit": 512}


def _common() -> Json:
    return {
        "restart": "unless-stopped",
        "init": True,
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": LOGGING,
    }


def files(description: Description) -> dict[str, Json]:
    return {"compose.yaml": single(description), **{f"{vm}.yaml": machine(description, vm) for vm in VMS}}
