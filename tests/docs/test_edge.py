"""The page about the edge names every variable of nginx's templates, and no other."""

import re

from tests.docs.source import ROOT

NGINX = ROOT / "gateway" / "nginx"


def test_the_page_has_every_variable_and_no_other() -> None:
    templates = "".join(path.read_text() for path in NGINX.glob("*/*.template"))
    page = (ROOT / "docs/how-to/edge.md").read_text()
    used = set(re.findall(r"\$\{(\w+)\}", templates))
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)) == used
    assert set(re.findall(r"^([A-Z_]+)=", (NGINX / "render").read_text(), re.MULTILINE)) == used


def test_the_page_has_every_route_with_its_timeout() -> None:
    page = (ROOT / "docs/how-to/edge.md").read_text()
    routes = (NGINX / "edge" / "routes.conf").read_text()
    found = re.findall(r"location (?:= )?(/[a-z_/]+) \{\n(.*?)\n\}", routes, re.DOTALL)
    assert len(found) >= 8
    for path, body in found:
        seconds = re.search(r"proxy_read_timeout (\d+)s", body)
        bursts = re.findall(r"burst=(\d+)", body)
        row = next(line for line in page.splitlines() if line.startswith("|") and f"`{path}`" in line)
        assert seconds is None or f"{seconds[1]} s" in row
        assert not bursts or " / ".join(bursts) in row
