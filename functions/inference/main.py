"""The inference function: an OpenAI-compatible embeddings endpoint on CPU, for development and small corpora."""

import os
from collections.abc import Mapping
from functools import partial

from functions.inference.handler import Engine, Settings, embeddings, model_card, models, open_engine
from shared.runtime import host
from shared.runtime.framework import as_http_function
from shared.runtime.function import Function, Limits
from shared.settings import Environment

BODY_BYTES = 8 * 1024 * 1024


def build() -> Function[Engine]:
    """Reads this process's environment."""
    return wire(os.environ)


def wire(variables: Mapping[str, str]) -> Function[Engine]:
    env = Environment(variables)
    settings = Settings.read(env)
    return Function(
        name="inference",
        open=partial(open_engine, settings),
        routes={
            ("POST", "/v1/embeddings"): embeddings,
            ("GET", "/v1/models"): models,
            ("GET", f"/v1/models/{settings.model}"): model_card,
        },
        limits=Limits(env.integer("CONCURRENCY", 0), env.integer("MAX_BODY_BYTES", BODY_BYTES, minimum=1)),
    )


main = as_http_function(build)

if __name__ == "__main__":
    host.main("inference", build)
