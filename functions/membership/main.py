"""The membership function: knows the API keys."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from functions.membership.handler import Resources, authenticate, create, list_keys, revoke, rotate
from shared.audit import Audit
from shared.runtime import host
from shared.runtime.framework import as_http_function
from shared.runtime.function import Function, Limits
from shared.settings import Environment
from shared.store.store import Store

ROUTES = {
    ("POST", "/auth"): authenticate,
    ("POST", "/keys"): create,
    ("GET", "/keys"): list_keys,
    ("POST", "/keys/revoke"): revoke,
    ("POST", "/keys/rotate"): rotate,
}


@dataclass(frozen=True)
class Settings:
    database_url: str
    pool_size: int
    secret: bytes = field(repr=False)
    limits: Limits

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        return cls(
            env.text("DATABASE_URL"),
            env.integer("DATABASE_POOL_SIZE", 2, minimum=1),
            env.secret("caller-hash-key"),
            Limits.read(env),
        )


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Resources]:
    async with await Store.open(settings.database_url, pool_size=settings.pool_size, timeout_s=5) as store:
        audit = Audit(store)
        try:
            yield Resources(store, audit, settings.secret)
        finally:
            await audit.close()


def build() -> Function[Resources]:
    """Reads this process's environment."""
    return build_from(Environment(os.environ))


def build_from(env: Environment) -> Function[Resources]:
    settings = Settings.read(env)
    return Function(
        name="membership",
        open=partial(_open, settings),
        routes=ROUTES,
        limits=settings.limits,
    )


main = as_http_function(build)

if __name__ == "__main__":
    host.main("membership", build)
