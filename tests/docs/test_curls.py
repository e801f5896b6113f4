"""Every route has a curl in docs/how-to/http.md, and every curl there a route."""

import re

from gateway.app import routed, table
from tests.docs.curls import curls


def operations() -> dict[str, re.Pattern[str]]:
    found = {}
    for path, item in routed(table()).openapi()["paths"].items():
        for method in item:
            found[f"{method.upper()} {path}"] = re.compile(
                f"{method.upper()} " + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))
            )
    return found


def test_every_route_has_a_curl() -> None:
    given = [f"{curl.method} {curl.path}" for curl in curls()]
    missing = [title for title, form in operations().items() if not any(form.fullmatch(one) for one in given)]
    assert missing == []


def test_every_curl_has_a_route() -> None:
    forms = operations().values()
    unknown = [curl.command for curl in curls() if not any(f.fullmatch(f"{curl.method} {curl.path}") for f in forms)]
    assert unknown == []
    assert len(curls()) > 20
