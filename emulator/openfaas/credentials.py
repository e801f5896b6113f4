"""Basic authentication of `/system`: credentials made once and kept beside the secrets."""

import base64
import hmac
import secrets
from pathlib import Path

from emulator.secret_files import write_private
from observe.redaction import conceal

USER, PASSWORD = "basic-auth-user", "basic-auth-password"


class Credentials:
    """`enabled` false lets everyone in."""

    def __init__(self, user: str, password: str, *, enabled: bool = True) -> None:
        self._expected = f"{user}:{password}".encode()
        self._enabled = enabled

    @classmethod
    def kept_in(cls, folder: Path, *, enabled: bool = True) -> "Credentials":
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        user, password = _kept(folder / USER, "admin"), _kept(folder / PASSWORD, secrets.token_hex(20))
        conceal(password)
        return cls(user, password, enabled=enabled)

    def allow(self, authorization: bytes) -> bool:
        if not self._enabled:
            return True
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"basic":
            return False
        try:
            given = base64.b64decode(token.strip(), validate=True)
        except ValueError:
            return False
        return hmac.compare_digest(given, self._expected)


def _kept(path: Path, fresh: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        write_private(path, fresh.encode())
        return fresh
