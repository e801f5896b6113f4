"""What the scrape processes read from their environment."""

import re
from dataclasses import dataclass

from functions.scrape.addresses import Guard
from shared.errors import InvalidInput
from shared.settings import Environment

QUEUE = "scrape"
TASK = "functions.scrape.job.run"
USER_AGENT = "Sluice/0.1"


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How pages are asked for. `agent` is the product token that robots.txt files know us by."""

    guard: Guard
    user_agent: str
    agent: str

    @classmethod
    def read(cls, env: Environment) -> "FetchSettings":
        user_agent = env.text("SCRAPE_USER_AGENT", USER_AGENT)
        token = re.match(r"[A-Za-z_-]+", user_agent)
        if token is None or not user_agent.isascii() or not user_agent.isprintable():
            raise InvalidInput(
                "setting_invalid", "SCRAPE_USER_AGENT must begin with a product token", field="SCRAPE_USER_AGENT"
            )
        return cls(Guard(env.networks("SCRAPE_ALLOW_NETWORKS")), user_agent, token[0])


@dataclass(frozen=True, slots=True)
class WakeSettings:
    """Where the wake-ups go, and how many workers may be awake at once."""

    redis_url: str
    slots: int

    @classmethod
    def read(cls, env: Environment) -> "WakeSettings":
        return cls(env.text("REDIS_URL"), env.integer("SCRAPE_SLOTS", 4, minimum=1))


@dataclass(frozen=True, slots=True)
class JobSettings:
    """One wake-up of a worker."""

    fetch: FetchSettings
    wake: WakeSettings
    database_url: str
    object_store_url: str
    domain_delay_s: float
    lease_s: float
    concurrency: int
    budget_s: float
    linger_s: float
    max_attempts: int
    parser_socket: str | None

    @classmethod
    def read(cls, env: Environment) -> "JobSettings":
        return cls(
            fetch=FetchSettings.read(env),
            wake=WakeSettings.read(env),
            database_url=env.text("DATABASE_URL"),
            object_store_url=env.text("OBJECT_STORE_URL"),
            domain_delay_s=env.number("SCRAPE_DOMAIN_DELAY_SECONDS", 1.0),
            lease_s=env.number("LEASE_SECONDS", 60.0, minimum=1.0),
            concurrency=env.integer("SCRAPE_CONCURRENCY", 16, minimum=1),
            budget_s=env.number("WAKE_UP_SECONDS", 240.0),
            linger_s=env.number("LINGER_SECONDS", 1.0),
            max_attempts=env.integer("MAX_ATTEMPTS", 4, minimum=1),
            parser_socket=env.optional("SLUICE_PARSER_SOCKET"),
        )
