"""What the gateway reads from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.auth.membership import MembershipSettings
from shared.outbound.addresses import Guard
from shared.ratelimit.settings import LimitSettings
from shared.settings import Environment


@dataclass(frozen=True)
class Settings:
    """Secrets are kept out of the printed form."""

    database_url: str
    object_store_url: str
    membership: MembershipSettings
    function_url_template: str
    limits: LimitSettings | None
    signing_keys: bytes = field(repr=False)
    redis_url: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    pool_size: int = 4
    sync_timeout_s: float = 30.0
    event_timeout_s: float = 20.0
    max_queue_depth: int = 1000
    triggers_dir: Path = Path("triggers")
    webhook_guard: Guard = field(default_factory=Guard)
    tier_weights: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        return cls(
            database_url=env.text("DATABASE_URL"),
            object_store_url=env.text("OBJECT_STORE_URL"),
            membership=MembershipSettings.read(env),
            function_url_template=env.text("FUNCTION_URL_TEMPLATE"),
            limits=LimitSettings.read(env),
            signing_keys=env.secret("event-signing-key"),
            redis_url=env.optional("REDIS_URL"),
            host=env.listen_host(),
            port=env.integer("PORT", 8080),
            pool_size=env.integer("DATABASE_POOL_SIZE", 4, minimum=1),
            sync_timeout_s=env.number("SYNC_TIMEOUT_SECONDS", 30.0, minimum=0.1),
            max_queue_depth=env.integer("MAX_QUEUE_DEPTH", 1000),
            triggers_dir=Path(env.text("TRIGGERS_DIR", "triggers")),
            webhook_guard=Guard(env.networks("WEBHOOK_ALLOW_NETWORKS")),
            tier_weights=env.table("TIER_WEIGHTS", "free=1,standard=2,premium=4", maximum=1000),
        )
