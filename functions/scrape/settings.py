"""What the scrape processes read from their environment."""

import re
from dataclasses import dataclass

from shared.errors import InvalidInput
from shared.outbound.addresses import WEB_PORTS, Guard
from shared.settings import Environment
from shared.workqueue.settings import DrainSettings, WakeSettings

QUEUE = "scrape"
TASK = "functions.scrape.job.run"
USER_AGENT = "Sluice/0.1 (+https://sluice.dev/crawler)"


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How pages are asked for. `agent` is the product token that robots.txt files know us by."""

    guard: Guard
    user_agent: str
    agent: str
    domain_delay_s: float = 1.0

    @classmethod
    def read(cls, env: Environment) -> "FetchSettings":
        user_agent = env.text("SCRAPE_USER_AGENT", USER_AGENT)
        token = re.match(r"[A-Za-z_-]+", user_agent)
        if token is None or not user_agent.isascii() or not user_agent.isprintable():
            raise InvalidInput(
                "setting_invalid", "SCRAPE_USER_AGENT must begin with a product token", field="SCRAPE_USER_AGENT"
            )
        delay_s = env.number("SCRAPE_DOMAIN_DELAY_SECONDS", 1.0)
        guard = Guard(env.networks("SCRAPE_ALLOW_NETWORKS"), _ports(env))
        return cls(guard, user_agent, token[0], delay_s)


def _ports(env: Environment) -> frozenset[int]:
    parts = [part.strip() for part in env.text("SCRAPE_PORTS", ",".join(map(str, sorted(WEB_PORTS)))).split(",")]
    if not all(part.isascii() and part.isdecimal() and 1 <= int(part[:6]) <= 65535 for part in parts):
        sentence = "SCRAPE_PORTS must list ports from 1 to 65535: 80,443"
        raise InvalidInput("setting_invalid", sentence, field="SCRAPE_PORTS")
    return frozenset(map(int, parts))


def read_wake(env: Environment) -> WakeSettings:
    return WakeSettings(env.text("REDIS_URL"), QUEUE, TASK, env.integer("SCRAPE_SLOTS", 4, minimum=1))


@dataclass(frozen=True, slots=True)
class JobSettings:
    """One wake-up of a worker."""

    fetch: FetchSettings
    wake: WakeSettings
    drain: DrainSettings
    concurrency: int
    parser_socket: str | None

    @classmethod
    def read(cls, env: Environment) -> "JobSettings":
        return cls(
            fetch=FetchSettings.read(env),
            wake=read_wake(env),
            drain=DrainSettings.read(env),
            concurrency=env.integer("SCRAPE_CONCURRENCY", 16, minimum=1),
            parser_socket=env.optional("SLUICE_PARSER_SOCKET"),
        )
