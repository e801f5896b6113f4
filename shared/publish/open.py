"""Chooses the transport: a broker, or straight to the functions where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shared.events.signing import Signer
from shared.publish.broker import BrokerSink
from shared.publish.direct import DirectSink
from shared.publish.poster import Poster
from shared.publish.routes import load_routes
from shared.publish.sink import QUICK, OpenSink
from shared.settings import Environment


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """`broker_url` is the broker's ingress; the other two are for direct delivery."""

    mode: Literal["broker", "direct"]
    broker_url: str | None
    function_url_template: str | None
    triggers_dir: Path

    @classmethod
    def read(cls, env: Environment) -> "SinkSettings":
        direct = env.choice("EVENT_SINK", ("broker", "direct"), "broker") == "direct"
        broker_url = env.optional("K_SINK") or env.optional("BROKER_URL")
        return cls(
            mode="direct" if direct else "broker",
            broker_url=None if direct else broker_url or env.text("BROKER_URL"),
            function_url_template=env.text("FUNCTION_URL_TEMPLATE") if direct else None,
            triggers_dir=Path(env.text("TRIGGERS_DIR", "triggers")),
        )


def read_signed_sink(env: Environment) -> tuple[SinkSettings, Signer]:
    """What `open_sink` takes: where events go, and the key they are signed with."""
    return SinkSettings.read(env), Signer.from_secret(env.secret("event-signing-key"))


def open_sink(settings: SinkSettings, signer: Signer, delays: Sequence[float] = QUICK) -> OpenSink:
    """Opens no connection yet. `delays` are the waits between tries, in seconds."""
    poster = Poster(delays)
    if settings.broker_url is not None:
        return BrokerSink(settings.broker_url, signer, poster)
    assert settings.function_url_template is not None
    return DirectSink(load_routes(settings.triggers_dir), settings.function_url_template, signer, poster)
