"""What all stages with workers read from their environment."""

from dataclasses import dataclass, field
from typing import Final

from shared.pipeline.policy import Policy
from shared.settings import Environment

# A document whose worker died runs again within LEASE_SECONDS: the rest is for a sweep to see it and a worker to start.
HELD: Final = 0.9


@dataclass(frozen=True, slots=True)
class WakeSettings:
    """Where the wake-ups of a stage go.

    `task` is the dotted name of a function `(slot: int) -> None`, which RQ imports in the worker; `slots` is how many
    workers may be awake at once.
    """

    redis_url: str
    queue: str
    task: str
    slots: int


@dataclass(frozen=True, slots=True)
class DrainSettings:
    """One wake-up, whatever its stage. `lease_s` is what a claim gets."""

    database_url: str = field(repr=False)
    object_store_url: str
    lease_s: float
    budget_s: float
    linger_s: float
    policy: Policy

    @classmethod
    def read(cls, env: Environment) -> "DrainSettings":
        lease_s = env.number("LEASE_SECONDS", 60.0, minimum=1.0)
        return cls(
            database_url=env.text("DATABASE_URL"),
            object_store_url=env.text("OBJECT_STORE_URL"),
            lease_s=HELD * lease_s,
            budget_s=env.number("WAKE_UP_SECONDS", 240.0),
            linger_s=env.number("LINGER_SECONDS", 1.0),
            policy=Policy.of(env.integer("MAX_ATTEMPTS", 4, minimum=1), lease_s),
        )
