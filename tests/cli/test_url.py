"""`sluice url`: would it be fetched, and from where? The fetcher itself answers, over a network that goes nowhere."""

import json
import subprocess
import sys
from typing import Any

import pytest

from cli.main import main
from tests import shared_data

PUBLIC = "93.184.215.14"


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["url", "--json", *arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    return answer


def test_a_public_page_is_fetched_from_its_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    url = "HTTPS://B\u00fccher.example:443/a/../b#part"
    assert asked(capsys, "--resolve", PUBLIC, "--resolve", "2606:4700:4700::1111", url) == {
        "url": url,
        "normalised": "https://xn--bcher-kva.example/b",
        "verdict": "allow",
        "reason": "every address of the host is public",
        "connects_to": [PUBLIC, "2606:4700:4700::1111"],
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--resolve", PUBLIC, "--resolve", "127.0.0.1", "http://a.example/"], "address_refused"),
        (["--resolve", "169.254.169.254", "http://a.example/"], "address_refused"),
        (["http://2130706433/"], "address_refused"),
        (["http://[::ffff:10.0.0.1]/"], "address_refused"),
        (["--resolve", PUBLIC, "http://a.example:22/"], "port_refused"),
        (["http://localhost/"], "address_refused"),
        (["http://u:p@a.example/"], "url_credentials"),
        (["ftp://a.example/"], "url_scheme"),
        (["no url"], "url_invalid"),
    ],
)
def test_what_is_not_fetched_has_a_reason(arguments: list[str], code: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(capsys, *arguments)
    assert (answer["verdict"], answer["connects_to"]) == ("deny", [])
    assert answer["reason"].startswith(f"{code}: ")


def test_the_operators_networks_count(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRAPE_ALLOW_NETWORKS", "10.0.0.0/8")
    answer = asked(capsys, "--resolve", "10.1.2.3", "http://intranet:9000/")
    assert (answer["verdict"], answer["connects_to"]) == ("allow", ["10.1.2.3"])
    assert "SCRAPE_ALLOW_NETWORKS" in answer["reason"]


def test_people_are_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["url", "--resolve", PUBLIC, "http://a.example/"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["allow: every address of the host is public", "  http://a.example/", f"  {PUBLIC}"]


@pytest.mark.parametrize(
    "arguments", [[], ["--resolve", "no ip", "http://a.example/"], ["--jsonl", "http://a.example/"]]
)
def test_bad_usage_says_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["url", *arguments]) == 2
    assert capsys.readouterr().err.startswith("sluice: ")


def _right(case: dict[str, Any], answer: dict[str, Any]) -> bool:
    if answer["verdict"] == case["verdict"]:
        fetched: bool = case["verdict"] == "allow"
        return bool(answer["connects_to"]) is fetched
    safe: set[str] = set(case.get("safe_if_connects_only_to", [None]))
    return set(answer["connects_to"]) <= safe


def test_every_recorded_case_gets_its_line_in_order() -> None:
    content = shared_data.path("data/ssrf/cases.json").read_bytes()
    cases, answers = json.loads(content), _piped(content)
    assert [answer["url"] for answer in answers] == [case["input_url"] for case in cases]
    assert len(cases) == 133
    assert [case["id"] for case, answer in zip(cases, answers, strict=True) if not _right(case, answer)] == []


def test_a_line_that_is_no_case_is_answered_in_its_place() -> None:
    good = json.dumps({"input_url": "http://a.example/", "resolves_to": [PUBLIC]})
    bad = ["no json", "{}", '{"input_url": "http://a.example/", "resolves_to": ["x"]}']
    answers = _piped("\n".join(["7", *bad, good]).encode())
    assert [answer["verdict"] for answer in answers] == ["deny"] * 4 + ["allow"]
    assert all(answer["error"]["code"] == "case_invalid" for answer in answers[:4])


def _piped(content: bytes) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "cli.main", "url", "--jsonl"]
    done = subprocess.run(command, input=content, capture_output=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]
