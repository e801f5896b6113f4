"""The curls of docs/how-to/http.md."""

import re
import shlex
from dataclasses import dataclass

from tests.docs.source import ROOT

PAGE = ROOT / "docs" / "how-to" / "http.md"
HOST = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Curl:
    """One command as it stands there, and the request that it makes."""

    command: str
    method: str
    path: str


def curls() -> list[Curl]:
    """In the page's order, without the definitions of its head."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks[1:]).replace("\\\n", " ").splitlines()
    return [_read(line) for line in lines if line.strip()]


def _read(line: str) -> Curl:
    words = shlex.split(line.partition(" > ")[0].replace("$API", f"{HOST}/api"))
    assert words[0] == "call", f"not a curl: {line}"
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if "-d" in words else "GET"
    [url] = [word for word in words if word.startswith(HOST)]
    return Curl(line, method, url.removeprefix(HOST).partition("?")[0])
