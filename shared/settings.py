"""Reads a process's settings from a mapping, once, at the edge. An error names the variable."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from observe.redaction import conceal, conceal_password
from shared.errors import InvalidInput

# Addresses: the shape that each must have, and an example for whoever has to write one.
ADDRESSES = {
    "DATABASE_URL": ("postgres(ql)?://", "postgresql://sluice:secret@postgres:5432/sluice"),
    "REDIS_URL": ("(rediss?|unix)://", "redis://:secret@redis:6379/0"),
    "OBJECT_STORE_URL": ("(file:///.|s3://.)", "s3://bucket/prefix"),
    "BROKER_URL": ("https?://.", "http://broker-ingress.knative-eventing.svc.cluster.local/sluice/default"),
    "K_SINK": ("https?://.", "http://broker-ingress.knative-eventing.svc.cluster.local/sluice/default"),
    "FUNCTION_URL_TEMPLATE": (r"https?://.*\{name\}", "http://gateway.openfaas:8080/function/{name}"),
    "MEMBERSHIP_URL": ("https?://.", "http://membership.sluice.svc.cluster.local"),
    "EMBEDDING_API_BASE_URL": ("https?://.", "http://inference.sluice.svc.cluster.local/v1"),
    "EMBEDDING_QUERY_API_BASE_URL": ("https?://.", "http://inference-query.sluice.svc.cluster.local/v1"),
}
EXAMPLES = {name: example for name, (_, example) in ADDRESSES.items()} | {"EMBEDDING_MODEL": "all-MiniLM-L6-v2"}
# What holds a password may be a mounted secret of this name instead of a variable, which everybody who may look at a
# deployment can read.
IN_SECRETS = {"DATABASE_URL": "database-url", "REDIS_URL": "redis-url"}


class Environment:
    """Typed look-ups in an environment. Empty values count as absent. An error names the variable and an example."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str | None = None) -> str:
        value = self.optional(name) or default
        if value is None:
            instead = f" (or mount a secret {IN_SECRETS[name]})" if name in IN_SECRETS else ""
            raise InvalidInput("setting_missing", f"{name} is not set{_for_example(name)}{instead}", field=name)
        return value

    def optional(self, name: str) -> str | None:
        """A mounted secret stands in for some. An address is not repeated in an error: it may hold a password."""
        value = self._variables.get(name) or (self._from_secret(IN_SECRETS[name]) if name in IN_SECRETS else None)
        if not value or name not in ADDRESSES:
            return value or None
        conceal_password(value)
        if not re.match(ADDRESSES[name][0], value):
            raise InvalidInput("setting_invalid", f"{name} is no such address{_for_example(name)}", field=name)
        return value

    def integer(self, name: str, default: int, *, minimum: int = 0) -> int:
        value = self.number(name, default, minimum=minimum)
        if value != int(value):
            raise _invalid(name, "must be a whole number", default)
        return int(value)

    def number(self, name: str, default: float, *, minimum: float = 0.0) -> float:
        raw = self.text(name, str(default))
        try:
            value = float(raw)
        except ValueError as exc:
            raise _invalid(name, f"must be a number, not {raw!r}", default) from exc
        if not minimum <= value < float("inf"):
            raise _invalid(name, f"must be at least {minimum:g}", default)
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.text(name, "true" if default else "false").lower()
        if value not in ("true", "false", "1", "0"):
            raise _invalid(name, "must be true or false", "true")
        return value in ("true", "1")

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise _invalid(name, f"must be one of {', '.join(allowed)}", default)
        return value

    def table(self, name: str, default: str, *, maximum: int = 10**9) -> dict[str, int]:
        """`free=1,premium=4` as a mapping to whole numbers from 1."""
        table = {}
        for part in filter(None, map(str.strip, self.text(name, default).split(","))):
            word, _, number = (piece.strip() for piece in part.partition("="))
            if not word or not number.isdecimal() or not 1 <= int(number) <= maximum:
                sentence = f"{name} must be a list like {default}, with whole numbers from 1 to {maximum}"
                raise InvalidInput("setting_invalid", sentence, field=name)
            table[word] = int(number)
        return table

    def listen_host(self) -> str:
        """All interfaces, as a container needs it; the emulator says loopback."""
        return self.text("HOST", "0.0.0.0")  # noqa: S104

    def networks(self, name: str) -> tuple[IPv4Network | IPv6Network, ...]:
        """A comma-separated list of CIDR blocks."""
        parts = [part.strip() for part in self.text(name, ",").split(",") if part.strip()]
        try:
            return tuple(ip_network(part) for part in parts)
        except ValueError as exc:
            raise _invalid(name, f"must list CIDR networks: {exc}", "10.0.0.0/8,127.0.0.0/8") from exc

    @property
    def secrets_dir(self) -> Path:
        return Path(self.text("SECRETS_DIR", "/var/openfaas/secrets"))

    def secret(self, name: str) -> bytes:
        """The content of a mounted secret file, without a trailing line break."""
        folder = self.secrets_dir
        try:
            secret = (folder / name).read_bytes().rstrip(b"\r\n")
            conceal(secret)
            return secret
        except OSError as exc:
            message = f"secret {name} is not in {folder}; mount it as a file of that name"
            raise InvalidInput("secret_missing", message, field=name) from exc

    def _from_secret(self, name: str) -> str | None:
        try:
            return (self.secrets_dir / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None


def _for_example(name: str) -> str:
    return f"; for example {name}={EXAMPLES[name]}" if name in EXAMPLES else ""


def _invalid(name: str, problem: str, example: object) -> InvalidInput:
    shown = f"{example:g}" if isinstance(example, float) else example
    return InvalidInput("setting_invalid", f"{name} {problem}; for example {name}={shown}", field=name)
