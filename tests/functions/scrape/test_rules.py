"""What a robots.txt allows, against what Google's own parser says."""

import base64
import gzip
import json
import time
from functools import lru_cache

import pytest

from functions.scrape.rules import MAX_FILE_BYTES, Rules, parse
from shared.urls import normalise, path_and_query
from tests import shared_data


def test_it_agrees_with_the_reference_on_every_case_of_the_standard() -> None:
    cases = json.loads(shared_data.path("data/robots/google_cases.json").read_text())
    # Cases with a note give an address that was not normalised first, which ours always are.
    asked = [case for case in cases if not case["google_only"] and "note" not in case and case["url"]]
    wrong = [case["line"] for case in asked if _verdict(case["robots_txt"].encode(), case) != case["allowed"]]
    assert len(asked) > 60
    assert wrong == []


def test_it_agrees_with_the_reference_on_real_files() -> None:
    asked, wrong = 0, []
    with gzip.open(shared_data.path("data/robots/real.jsonl.gz")) as lines:
        for site in map(json.loads, lines):
            content = base64.b64decode(site["robots_txt_b64"])
            asked += len(site["queries"])
            wrong += [query for query in site["queries"] if _verdict(content, query) != query["allowed"]]
    assert asked == 2852
    assert wrong == []


@lru_cache(maxsize=64)
def _rules(content: bytes, agent: str) -> Rules:
    return parse(content, agent)


def _verdict(content: bytes, case: dict[str, str]) -> bool:
    return _rules(content, case["user_agent"]).allows(path_and_query(normalise(case["url"])))


def test_an_agent_is_matched_whole_and_without_case() -> None:
    content = (
        b"User-agent: Sluice\nDisallow: /mine\n\nUser-agent: slu\nDisallow: /short\n\nUser-agent: *\nDisallow: /all"
    )
    rules = parse(content, "sLUICE")
    assert [rules.allows(path) for path in ("/mine", "/short", "/all")] == [False, True, True]
    assert not parse(content, "sluicebot").allows("/all")


def test_groups_of_one_agent_are_read_together() -> None:
    rules = parse(b"user-agent: a\nuser-agent: b\ndisallow: /x\n\nuser-agent: B\ndisallow: /y\ncrawl-delay: 2.5", "b")
    assert [rules.allows(path) for path in ("/x", "/y", "/z")] == [False, False, True]
    assert rules.crawl_delay_s == 2.5


@pytest.mark.parametrize(
    ("stated", "taken"), [("10", 10.0), ("99999", 300.0), ("-1", None), ("soon", None), ("0", None)]
)
def test_a_delay_is_taken_within_reason(stated: str, taken: float | None) -> None:
    assert parse(f"user-agent: *\ncrawl-delay: {stated}".encode(), "sluice").crawl_delay_s == taken


def test_a_byte_order_mark_does_not_hide_the_first_line() -> None:
    assert not parse(b"\xef\xbb\xbfuser-agent: *\ndisallow: /", "sluice").allows("/")


def test_what_lies_beyond_the_limit_is_not_read() -> None:
    padding = b"#" * 100 + b"\n"
    content = padding * (MAX_FILE_BYTES // len(padding) + 1) + b"user-agent: *\ndisallow: /"
    assert parse(content, "sluice").allows("/")


@pytest.mark.parametrize(
    "content",
    [
        b"\n" * 512_000,
        b"a:\n" * 170_000,
        b"user-agent:*\n" * 39_000 + b"disallow:/a",
        b"user-agent:*\n" + (b"disallow:/" + b"*a" * 8_000 + b"b\n") * 31,
        b"user-agent:*\n" + b"".join(b"disallow:/*%d*x$\n" % number for number in range(30_000)),
    ],
    ids=["empty lines", "short lines", "agents", "wildcards", "rules"],
)
def test_no_file_blocks_the_worker(content: bytes) -> None:
    started = time.process_time()
    parse(content, "sluice").allows("/" + "a" * 2040)
    assert time.process_time() - started < 1.0
