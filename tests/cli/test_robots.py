"""`sluice robots`: what a robots.txt says, by the very rules of the workers."""

import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from cli import robots
from cli.main import main
from tests import shared_data
from tests.cli.conftest import Cli
from tests.local_http import asgi, closed_port, serving

FILE = b"User-agent: *\nDisallow: /private\nAllow: /private/open\nCrawl-delay: 4000\n\nUser-agent: Other\nDisallow: /\n"


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert main(["robots", "--json", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "robots.txt").write_bytes(FILE)
    return str(tmp_path / "robots.txt")


def test_each_url_gets_a_line_with_the_rule_that_decides(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    urls = ["https://a.example/private/x", "https://a.example/private/open/y", "https://a.example/"]
    answers = asked(capsys, "--file", file, "--agent", "Sluice/0.1 (+https://a.example)", *urls)
    assert answers == [
        {"url": urls[0], "allowed": False, "rule": "Disallow: /private", "crawl_delay": 300.0},
        {"url": urls[1], "allowed": True, "rule": "Allow: /private/open", "crawl_delay": 300.0},
        {"url": urls[2], "allowed": True, "rule": None, "crawl_delay": 300.0},
    ]
    assert asked(capsys, "--file", file, "--agent", "OTHER", urls[2]) == [
        {"url": urls[2], "allowed": False, "rule": "Disallow: /", "crawl_delay": None}
    ]


def test_people_are_told_too(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["robots", "--file", file, "https://a.example/private/\x1b[31m"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("forbidden  https://a.example/private/ [31m  (Disallow: /private)\n")
    assert "one request in 300 s, the longest that is kept" in out


@pytest.mark.parametrize("arguments", [[], ["https://a.example/"], ["--file", "/nowhere", "https://a.example/"]])
def test_bad_usage_says_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["robots", *arguments]) == 2
    assert capsys.readouterr().err.startswith("sluice: ")


async def test_a_site_is_asked_as_workers_ask_it(sluice: Cli) -> None:
    async def site(request: Request) -> Response:
        return Response(FILE if request.headers["user-agent"].startswith("Sluice/") else b"")

    here = {"SCRAPE_ALLOW_NETWORKS": "127.0.0.0/8"}
    async with serving(asgi(site)) as address:
        refused = await sluice("robots", "--url", address, "--json", "/private", "/")
        allowed = await replace(sluice, environment=here)("robots", "--url", address, "--json", "/private", "/")
    assert (refused.code, "refused" in refused.err) == (1, True)
    assert [json.loads(line)["allowed"] for line in allowed.out.splitlines()] == [False, True]
    gone = await replace(sluice, environment=here)(
        "robots", "--url", f"http://127.0.0.1:{closed_port()}", "--json", "/"
    )
    assert gone.json() == {"url": "/", "allowed": False, "rule": None, "crawl_delay": None}


def test_cases_are_answered_a_line_a_query_in_order() -> None:
    encoded = base64.b64encode(FILE).decode()
    queries = [
        {"user_agent": "Other", "url": "https://a.example/"},
        {"user_agent": "x", "url": "https://a.example/"},
        7,
    ]
    lines = [
        json.dumps({"robots_txt_b64": encoded, "queries": queries}),
        "no json",
        json.dumps({"robots_txt": "user-agent: *\ndisallow: /ü", "user_agent": "x", "url": "https://a.example/%c3%bc"}),
    ]
    answers = _piped("\n\n".join(lines).encode())
    assert [answer["allowed"] for answer in answers] == [False, True, None, None, False]
    assert answers[3]["error"] == answers[2]["error"]


def test_it_agrees_with_the_reference_on_every_recorded_query(record_property: Callable[[str, object], None]) -> None:
    with gzip.open(shared_data.path("data/robots/real.jsonl.gz")) as file:
        content = file.read()
    queries = [query for line in content.splitlines() for query in json.loads(line)["queries"]]
    answers = _piped(content)
    assert len(answers) == len(queries) == 2852
    wrong = [query for query, answer in zip(queries, answers, strict=True) if query["allowed"] != answer["allowed"]]
    record_property("corpus", f"robots.txt, real files: {len(queries) - len(wrong)}/{len(queries)}")
    assert wrong == []


def test_it_agrees_with_the_reference_on_every_case_of_its_own_test(
    record_property: Callable[[str, object], None],
) -> None:
    content = shared_data.path("data/robots/google_cases.json").read_bytes()
    cases = json.loads(content)
    answers = _piped(content)
    wrong = [case["line"] for case, answer in zip(cases, answers, strict=True) if case["allowed"] != answer["allowed"]]
    differing = f" (differing: lines {', '.join(map(str, wrong))})" if wrong else ""
    record_property("corpus", f"robots.txt, Google's cases: {len(cases) - len(wrong)}/{len(cases)}{differing}")
    # In these two the URL is not encoded: who encodes first, as we do, "rightly gets the opposite answer".
    assert len(cases) == 145
    assert wrong == [421, 432]


def test_what_comes_after_the_host_is_asked_about_even_of_what_is_no_url() -> None:
    cases = json.loads(shared_data.path("data/robots/google_other.json").read_text())["url_to_path"]
    assert len(cases) == 19
    assert [case for case in cases if robots._path(case["url"]) != case["path"]] == []


def _piped(content: bytes) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "cli.main", "robots", "--jsonl"]
    done = subprocess.run(command, input=content, capture_output=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]
