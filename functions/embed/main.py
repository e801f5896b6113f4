"""The embed function's entry: for functions-framework as `main`, or `python -m functions.embed.main`."""

import os
from functools import partial

from functions.embed.handler import Desk, embed_texts, open_desk, wake_workers
from functions.embed.settings import BatchSettings, default_model, read_wake
from shared.auth.membership import Membership
from shared.contracts.stages import EmbedRequested
from shared.events.signing import Signer
from shared.runtime import host
from shared.runtime.framework import as_http_function
from shared.runtime.function import Function, Limits
from shared.settings import Environment


def build() -> Function[Desk]:
    """Reads this process's environment."""
    return build_from(Environment(os.environ))


def build_from(env: Environment) -> Function[Desk]:
    membership = Membership.read(env)
    return Function(
        name="embed",
        stage="embed",
        open=partial(open_desk, read_wake(env), BatchSettings.read(env), default_model(env), membership),
        events={EmbedRequested: wake_workers},
        invoke=embed_texts,
        signer=Signer.from_secret(env.secret("event-signing-key")),
        membership=membership,
        limits=Limits.read(env),
    )


main = as_http_function(build)

if __name__ == "__main__":
    host.main("embed", build)
