"""The search function's entry: for functions-framework as `main`, or `python -m functions.search.main`."""

import os
from functools import partial

from functions.search.handler import Resources, answer, open_resources
from functions.search.settings import Settings
from shared.auth.membership import Membership
from shared.runtime import host
from shared.runtime.framework import as_http_function
from shared.runtime.function import Function, Limits
from shared.settings import Environment


def build() -> Function[Resources]:
    """Reads this process's environment."""
    return build_from(Environment(os.environ))


def build_from(env: Environment) -> Function[Resources]:
    membership = Membership.read(env)
    return Function(
        name="search",
        stage="read",
        open=partial(open_resources, Settings.read(env), membership),
        invoke=answer,
        invoke_access="read",
        membership=membership,
        limits=Limits.read(env),
    )


main = as_http_function(build)

if __name__ == "__main__":
    host.main("search", build)
