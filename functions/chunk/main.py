"""The chunk function: splits a stored text into token-exact slices."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from functions.chunk.handler import Resources, chunk_requested, chunk_text
from functions.chunk.spans import Sizes
from functions.chunk.tokens import Chunker
from shared.auth.membership import Membership, MembershipSettings
from shared.contracts.stages import ChunkRequested
from shared.events.signing import Signer
from shared.model_files import tokenizer_file
from shared.objects import ObjectStore
from shared.publish.open import SinkSettings, open_sink
from shared.publish.sink import OpenSink
from shared.runtime import host
from shared.runtime.framework import as_http_function
from shared.runtime.function import Function, Limits
from shared.settings import Environment

BODY_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """`sizes` are for direct calls; an event brings its own."""

    object_store_url: str
    tokenizer: Path
    sizes: Sizes
    sink: SinkSettings
    membership: MembershipSettings
    limits: Limits
    signing_key: bytes = field(repr=False)

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        return cls(
            object_store_url=env.text("OBJECT_STORE_URL"),
            tokenizer=tokenizer_file(env),
            sizes=read_sizes(env),
            sink=SinkSettings.read(env),
            membership=MembershipSettings.read(env),
            limits=Limits(env.integer("CONCURRENCY", 0), env.integer("MAX_BODY_BYTES", BODY_BYTES, minimum=1)),
            signing_key=env.secret("event-signing-key"),
        )


def read_sizes(env: Environment) -> Sizes:
    return Sizes(env.integer("CHUNK_MAX_TOKENS", 250), env.integer("CHUNK_OVERLAP_TOKENS", 50))


def build() -> Function[Resources]:
    """Reads this process's environment."""
    return wire(os.environ)


def wire(variables: Mapping[str, str]) -> Function[Resources]:
    settings = Settings.read(Environment(variables))
    signer = Signer.from_secret(settings.signing_key)
    sink = open_sink(settings.sink, signer)
    membership = Membership(settings.membership)
    return Function(
        name="chunk",
        stage="chunk",
        open=partial(_open, settings, variables, sink, membership),
        events={ChunkRequested: chunk_requested},
        invoke=chunk_text,
        signer=signer,
        membership=membership,
        publish=sink,
        limits=settings.limits,
    )


@asynccontextmanager
async def _open(
    settings: Settings, variables: Mapping[str, str], sink: OpenSink, membership: Membership
) -> AsyncIterator[Resources]:
    chunker = await asyncio.to_thread(Chunker.open, settings.tokenizer)
    try:
        yield Resources(ObjectStore.open(settings.object_store_url, variables), chunker, settings.sizes)
    finally:
        await sink.close()
        await membership.close()


main = as_http_function(build)

if __name__ == "__main__":
    host.main("chunk", build)
