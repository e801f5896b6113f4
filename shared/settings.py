"""Reads a process's settings from a mapping, once, at the edge. An error names the variable."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from shared.errors import InvalidInput


class Environment:
    """Typed look-ups in an environment. Empty values count as absent."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str | None = None) -> str:
        value = self._variables.get(name) or default
        if value is None:
            raise InvalidInput("setting_missing", f"{name} is not set", field=name)
        return value

    def optional(self, name: str) -> str | None:
        return self._variables.get(name) or None

    def integer(self, name: str, default: int, *, minimum: int = 0) -> int:
        value = self.number(name, default, minimum=minimum)
        if value != int(value):
            raise InvalidInput("setting_invalid", f"{name} must be a whole number", field=name)
        return int(value)

    def number(self, name: str, default: float, *, minimum: float = 0.0) -> float:
        raw = self.text(name, str(default))
        try:
            value = float(raw)
        except ValueError as exc:
            raise InvalidInput("setting_invalid", f"{name} must be a number, not {raw!r}", field=name) from exc
        if not minimum <= value < float("inf"):
            raise InvalidInput("setting_invalid", f"{name} must be at least {minimum}", field=name)
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.text(name, "true" if default else "false").lower()
        if value not in ("true", "false", "1", "0"):
            raise InvalidInput("setting_invalid", f"{name} must be true or false", field=name)
        return value in ("true", "1")

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise InvalidInput("setting_invalid", f"{name} must be one of {', '.join(allowed)}", field=name)
        return value

    def table(self, name: str, default: str) -> dict[str, int]:
        """`free=1,premium=4` as a mapping to whole numbers from 1."""
        table = {}
        for part in filter(None, map(str.strip, self.text(name, default).split(","))):
            word, _, number = (piece.strip() for piece in part.partition("="))
            if not word or not number.isdecimal() or int(number) < 1:
                sentence = f"{name} must be a list like {default}, with whole numbers from 1"
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
            raise InvalidInput("setting_invalid", f"{name} must list CIDR networks: {exc}", field=name) from exc

    def secret(self, name: str) -> bytes:
        """The content of a mounted secret file, without a trailing line break."""
        folder = Path(self.text("SECRETS_DIR", "/var/openfaas/secrets"))
        try:
            return (folder / name).read_bytes().rstrip(b"\r\n")
        except OSError as exc:
            raise InvalidInput("secret_missing", f"secret {name} is not in {folder}", field=name) from exc
