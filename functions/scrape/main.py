"""The scrape function's entry: for functions-framework as `main`, or `python -m functions.scrape.main`."""

import os

from functions.scrape.handler import Desk, open_desk, scrape_page, wake_workers
from functions.scrape.settings import FetchSettings, read_wake
from shared.auth.membership import Membership
from shared.contracts.stages import ScrapeRequested
from shared.events.signing import Signer
from shared.runtime import host
from shared.runtime.framework import as_http_function
from shared.runtime.function import Function, Limits
from shared.settings import Environment


def build() -> Function[Desk]:
    """Reads the environment."""
    return build_from(Environment(os.environ))


def build_from(env: Environment) -> Function[Desk]:
    wake, fetch = read_wake(env), FetchSettings.read(env)
    return Function(
        name="scrape",
        stage="scrape",
        open=lambda: open_desk(wake, fetch),
        events={ScrapeRequested: wake_workers},
        invoke=scrape_page,
        signer=Signer.from_secret(env.secret("event-signing-key")),
        membership=Membership.read(env),
        limits=Limits.read(env),
    )


main = as_http_function(build)

if __name__ == "__main__":
    host.main("scrape", build)
