"""`sluice url`: whether a URL would be fetched, and from where. The fetcher itself decides; nothing is sent."""

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any

import httpx

from cli.cases import read_cases, write_answer
from cli.failure import CommandFailed
from cli.rehearsal import Case, Hop, Rehearsal, rehearse
from cli.text import clean
from functions.scrape.settings import FetchSettings
from shared.errors import SluiceError
from shared.outbound.network import Resolver
from shared.settings import Environment
from shared.urls import normalise


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("url", help="whether a URL would be fetched, from which addresses, and why not")
    parser.add_argument("url", nargs="?", metavar="URL")
    parser.add_argument(
        "--resolve", action="append", default=[], metavar="IP", help="an answer that stands in for DNS; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument(
        "--jsonl", action="store_true", help="read cases from standard input, with look-ups and redirects"
    )


def run(args: argparse.Namespace) -> int:
    """0 whether or not it would be fetched; the answer says which."""
    if args.jsonl == (args.url is not None):
        raise CommandFailed("url takes either one URL, or --jsonl", exit_code=2)
    settings = FetchSettings.read(Environment(os.environ))
    if args.jsonl:
        asyncio.run(_many(settings))
        return 0
    resolved = [_address(answer) for answer in args.resolve]
    answer = asyncio.run(
        _answer(Case(args.url, (tuple(resolved),) if resolved else None), settings, httpx.create_ssl_context())
    )
    if args.json:
        write_answer(answer)
    else:
        _show(answer)
    return 0


async def _answer(case: Case, settings: FetchSettings, tls: SSLContext) -> dict[str, Any]:
    """`connects_to` is empty where nothing would be fetched."""
    normalised = None
    resolver = Resolver(1)
    rehearsal = Rehearsal(settings.guard, case, resolver)
    try:
        normalised = normalise(case.url)
        await rehearse(case, normalised, rehearsal, settings, tls)
    except SluiceError as error:
        return _verdict(case, normalised, "deny", f"{error.code}: {error.message}", ())
    finally:
        resolver.close()
    public = settings.guard.allowed == () or not any(
        ip_address(each) in network for each in rehearsal.connects_to for network in settings.guard.allowed
    )
    reason = "every address of the host is public" if public else "SCRAPE_ALLOW_NETWORKS holds the address"
    return _verdict(case, normalised, "allow", reason, rehearsal.connects_to)


def _verdict(
    case: Case, normalised: str | None, verdict: str, reason: str, addresses: Mapping[str, None] | tuple[()]
) -> dict[str, Any]:
    return {
        "url": case.url,
        "normalised": normalised,
        "verdict": verdict,
        "reason": reason,
        "connects_to": list(addresses),
    }


def _show(answer: dict[str, Any]) -> None:
    print(f"{answer['verdict']}: {clean(answer['reason'])}")
    if answer["normalised"]:
        print(f"  {answer['normalised']}")
    for address in answer["connects_to"]:
        print(f"  {address}")


async def _many(settings: FetchSettings) -> None:
    tls = httpx.create_ssl_context()
    for given in read_cases():
        try:
            case = _case(given)
        except (KeyError, TypeError, ValueError):
            sentence = "a case holds input_url, and may hold resolves_to, resolves_to_sequence, redirects, unreachable"
            error = {"code": "case_invalid", "message": sentence}
            url = given.get("input_url")
            write_answer(
                {
                    "url": url,
                    "normalised": None,
                    "verdict": "deny",
                    "reason": sentence,
                    "connects_to": [],
                    "error": error,
                }
            )
            continue
        write_answer(await _answer(case, settings, tls))


def _case(given: dict[str, Any]) -> Case:
    """Raises `KeyError`, `TypeError` or `ValueError` for what is no case."""
    url = given["input_url"]
    if not isinstance(url, str):
        raise TypeError("input_url")
    sequence = given.get("resolves_to_sequence") or [given.get("resolves_to") or []]
    return Case(
        url,
        tuple(_addresses(answers) for answers in sequence),
        tuple(_hop(hop) for hop in given.get("redirects") or []),
        frozenset(_addresses(given.get("unreachable") or [])),
    )


def _hop(given: dict[str, Any]) -> Hop:
    resolves_to = given.get("resolves_to")
    status, location = int(given["status"]), str(given["location"])
    if not 300 <= status < 400 or "\r" in location or "\n" in location:
        raise ValueError("redirect")
    return Hop(status, location, None if resolves_to is None else _addresses(resolves_to))


def _addresses(answers: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(ip_address(answer)) for answer in answers)


def _address(answer: str) -> str:
    try:
        return str(ip_address(answer))
    except ValueError:
        raise CommandFailed(f"--resolve takes IP addresses, and {clean(answer)} is none", exit_code=2) from None
