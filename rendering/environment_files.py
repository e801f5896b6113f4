"""`.env.example`: what an operator fills in before Compose starts, for one machine or each of five."""

from collections.abc import Mapping, Sequence

from rendering import compose
from rendering.classes import FIVE_TIER, SINGLE_TIER
from rendering.description import Description
from rendering.stack import INFERENCE, VMS, Function

IMAGES = (
    ("SLUICE_IMAGE", "sluice/sluice", "where the images are: registry, owner and the part of the name that all share"),
    ("SLUICE_TAG", "latest", "the commit that the images were built from; latest follows main"),
)
# What a function is connected by: it is asked for where stack.yml gives the function the variable of that name.
CONNECTIONS = {
    "EVENT_SINK": ("direct", "events go straight to the functions that triggers/ names: there is no broker"),
    "FUNCTION_URL_TEMPLATE": ("http://{name}:8080", "how functions find each other"),
    "MEMBERSHIP_URL": ("http://membership:8080", "who checks API keys, at POST /auth"),
    "OBJECT_STORE_URL": (
        "file:///objects",
        "texts and chunks; s3://bucket/prefix, with the AWS variables below, for S3",
    ),
    "EMBEDDING_API_BASE_URL": ("http://inference:8080/v1", "OpenAI-compatible; the H100's address in production"),
    "EMBEDDING_MODEL": ("all-MiniLM-L6-v2", "its name there; a corpus keeps the model it was made with"),
    "EMBEDDING_DIMENSION": ("384", "the length of its vectors"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("", "where spans go: http://alloy:4318 with observe/compose.yaml; empty is off"),
    "PYROSCOPE_SERVER_ADDRESS": ("", "where profiles go: http://alloy:4040 with observe/compose.yaml; empty is off"),
}
FIVE = {
    "MEMBERSHIP_URL": f"http://membership:{compose.MEMBERSHIP_PORT}",
    "OBJECT_STORE_URL": "s3://sluice",
    "EMBEDDING_API_BASE_URL": "http://10.0.0.20:8080/v1",
    "EMBEDDING_MODEL": "BAAI/bge-large-en-v1.5",
    "EMBEDDING_DIMENSION": "1024",
}
S3 = (
    ("AWS_REGION", "eu-west-1", "for S3"),
    ("AWS_ENDPOINT_URL", "", "where S3 is not Amazon's, such as http://10.0.0.30:9000"),
    ("AWS_ACCESS_KEY_ID", "", "for S3"),
    ("AWS_SECRET_ACCESS_KEY", "", "for S3"),
)
GATEWAY = (
    ("HTTP_PORT", "80", "where nginx listens on this machine"),
    ("GATEWAY_UPSTREAM", "gateway:8080", "where nginx finds the gateway"),
    ("EDGE_LISTEN", "8080", "nginx's own port, inside its container"),
    ("EDGE_LOG_DIR", "/var/log/nginx", "which the image sends to standard output"),
)
# Where a machine's functions are told of embeddings, its tier says how they are asked for.
EMBEDDINGS = frozenset({"EMBEDDING_API_BASE_URL", "EMBEDDING_MODEL"})
SECRETS = ("SECRETS", "./secrets", "a folder with a file each, made by scripts/secrets")
TIER = (
    ("COMPOSE_PROFILES", "cpu", "cpu: embeddings on this machine; empty: EMBEDDING_API_BASE_URL has them elsewhere"),
)

Line = tuple[str, str, str]


def files(description: Description) -> dict[str, str]:
    """File name to content."""
    found = {".env.example": _text("One machine: copy this file to .env.", _single(description))}
    for at, vm in enumerate(VMS):
        head = f"The {vm} machine: copy this file to .env there, beside {vm}.yaml."
        found[f"{vm}.env.example"] = _text(head, _machine(description, vm, f"10.0.0.{11 + at}"))
    return found


def _single(description: Description) -> list[Line]:
    embeddings = _tier(description, SINGLE_TIER)
    return [*IMAGES, SECRETS, *TIER, *GATEWAY, *_connections(description.functions, {}), *embeddings, *S3]


def _machine(description: Description, vm: str, address: str) -> list[Line]:
    ours = [each for each in description.functions if each.vm == vm]
    lines: list[Line] = [*IMAGES, SECRETS, ("BIND_ADDRESS", address, "this machine's private address")]
    lines += [
        (f"{each.upper()}_ADDRESS", f"10.0.0.{11 + at}", f"the {each} machine's")
        for at, each in enumerate(VMS)
        if each != vm
    ]
    if vm == "gateway":
        lines += GATEWAY
    if any(each.name == INFERENCE for each in ours):
        lines += (("COMPOSE_PROFILES", "", "cpu starts an embeddings server here; empty: it is elsewhere"),)
    beside = {"MEMBERSHIP_URL"} if any(each.name == "membership" for each in ours) else set()
    # Who stands beside it on the same machine reaches it as on a single one, by its own port.
    lines += _connections(ours, {name: text for name, text in FIVE.items() if name not in beside})
    if any(EMBEDDINGS & each.environment.keys() for each in ours):
        lines += _tier(description, FIVE_TIER)
    if any("OBJECT_STORE_URL" in each.environment for each in ours):
        lines += S3
    return lines


def _connections(functions: Sequence[Function], instead: Mapping[str, str]) -> list[Line]:
    wanted = {name for each in functions for name in each.environment}
    return [(name, instead.get(name, value), why) for name, (value, why) in CONNECTIONS.items() if name in wanted]


def _tier(description: Description, name: str) -> list[Line]:
    why = f"of the tier {name} in resource-classes.yml"
    own = {key: text for key, text in description.tiers[name].environment.items() if key not in CONNECTIONS}
    return [(key, f'"{text}"' if " " in text else text, why) for key, text in own.items()]


def _text(head: str, lines: Sequence[Line]) -> str:
    rows = "".join(f"\n# {why}\n{name}={value}\n" for name, value, why in lines)
    return f"# {head} Rendered by `sluice render compose`. All settings: docs/reference/settings.md\n{rows}"
