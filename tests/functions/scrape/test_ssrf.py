"""Every case of the evaluation data goes through the real client and the real redirect loop, over a false network."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from functions.scrape.core import Move, judge
from functions.scrape.fetch import Fetcher
from functions.scrape.job import tls
from shared.errors import SluiceError
from shared.outbound.addresses import Guard
from shared.outbound.network import open_client
from shared.urls import normalise
from tests import shared_data
from tests.functions.scrape.world import NOON, Wire, answer, names

Case = dict[str, Any]


def _cases() -> list[Case]:
    cases: list[Case] = json.loads(shared_data.path("data/ssrf/cases.json").read_text())
    assert len(cases) == 133
    return cases


async def test_every_case_ends_as_it_must(record_property: Callable[[str, object], None]) -> None:
    wrong = [case["id"] for case in _cases() if not await _right(case)]
    record_property("corpus", f"SSRF: {len(_cases()) - len(wrong)}/{len(_cases())}")
    assert wrong == []


async def _right(case: Case) -> bool:
    wire = _wire(case)
    fetched = await _fetched(case, wire)
    forbidden = set(wire.connected) - _may_connect(case)
    if case["verdict"] == "allow":
        return fetched and not forbidden
    if "safe_if_connects_only_to" in case:
        return not set(wire.connected) - set(case["safe_if_connects_only_to"]) - set(case.get("unreachable", []))
    return not fetched and not forbidden


def _may_connect(case: Case) -> set[str]:
    """On a denied case, only what the hops before the forbidden one resolve to."""
    first = {*case.get("resolves_to", []), *case.get("resolves_to_sequence", [[]])[0]}
    hops = case.get("redirects", [])
    if case["verdict"] == "deny":
        if not hops:
            return set(case.get("unreachable", []))
        hops = hops[: case["deny_at"] - 1]
    literal = {normalise(case["input_url"]).split("/")[2].strip("[]")} if case["verdict"] == "allow" else set()
    return first | literal | {address for hop in hops for address in hop.get("resolves_to", [])}


def _wire(case: Case) -> Wire:
    moves = [answer(hop["status"], b"", location=hop["location"]) for hop in case.get("redirects", [])]
    return Wire([*moves, answer()], case.get("unreachable", []))


async def _fetched(case: Case, wire: Wire) -> bool:
    try:
        async with open_client(
            Guard(), tls=tls(), user_agent="Test", resolve=names(_book(case)), network=wire
        ) as client:
            return await _follow(Fetcher(client), normalise(case["input_url"]), NOON)
    except SluiceError:
        return False


async def _follow(fetcher: Fetcher, url: str, now: datetime) -> bool:
    for _ in range(10):
        verdict = judge(await fetcher.get(url), conditional=False, now=now)
        if not isinstance(verdict, Move):
            return True
        url = normalise(verdict.location, url)
    return False


def _book(case: Case) -> dict[str, list[list[str]]]:
    """Every spelling of the host answers the same, as the platform's own resolver would have it."""
    lists = case.get("resolves_to_sequence") or [case.get("resolves_to", [])]
    book = _Everything(lists)
    for hop in case.get("redirects", []):
        if "resolves_to" in hop:
            book[normalise(hop["location"]).split("/")[2].partition(":")[0]] = [hop["resolves_to"]]
    return book


class _Everything(dict[str, list[list[str]]]):
    """Literals resolve to themselves."""

    def __init__(self, lists: list[list[str]]) -> None:
        self._lists = lists

    def get(self, host: str, default: object = None) -> list[list[str]]:
        if host in self:
            return self[host]
        return [[host]] if ":" in host or host.replace(".", "").isdigit() else self._lists


async def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    wire = Wire()
    book = {"rebind.example.com": [["93.184.215.14"], ["127.0.0.1"]]}
    async with open_client(Guard(), tls=tls(), user_agent="Test", resolve=names(book), network=wire) as client:
        await Fetcher(client).get("http://rebind.example.com/")
        with pytest.raises(SluiceError):
            await Fetcher(client).get("http://rebind.example.com/")
    assert wire.connected == ["93.184.215.14"]


async def test_the_next_address_is_tried_when_one_refuses() -> None:
    wire = Wire(unreachable=["93.184.215.14"])
    book = {"two.example.com": [["93.184.215.14", "93.184.215.15"]]}
    async with open_client(Guard(), tls=tls(), user_agent="Test", resolve=names(book), network=wire) as client:
        assert (await Fetcher(client).get("http://two.example.com/")).status == 200
    assert wire.connected == ["93.184.215.14", "93.184.215.15"]
