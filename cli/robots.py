"""`sluice robots`: what a robots.txt says about URLs. The rules, and how they are fetched, are those of the workers."""

import argparse
import asyncio
import base64
import binascii
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from cli.cases import read_cases, write_answer
from cli.failure import CommandFailed
from cli.text import clean
from functions.scrape.fetch import Fetcher
from functions.scrape.robots import NoShelf, Robots
from functions.scrape.rules import DISALLOW_ALL, MAX_CRAWL_DELAY_S, MAX_FILE_BYTES, Rules, parse
from functions.scrape.settings import FetchSettings
from shared.errors import InvalidInput
from shared.outbound.network import open_client
from shared.settings import Environment
from shared.urls import normalise, path_and_query


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("robots", help="what a robots.txt says about URLs, and which rule says so")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--file", help="a robots.txt on this machine; - is standard input")
    where.add_argument("--url", metavar="ORIGIN", help="fetch the robots.txt of this site")
    parser.add_argument("--agent", metavar="NAME", help="the crawler's product token; ours, if none is given")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    parser.add_argument("--jsonl", action="store_true", help="read cases from standard input: files with queries")
    parser.add_argument("urls", nargs="*", metavar="URL")


def run(args: argparse.Namespace) -> int:
    """0 whether or not the URLs are allowed; the answers say which."""
    if args.jsonl:
        if args.file or args.url or args.urls:
            raise CommandFailed("--jsonl takes its cases from standard input, and nothing else", exit_code=2)
        for case in read_cases():
            for answer in _answers(case, args.agent):
                write_answer(answer)
        return 0
    if not args.urls or not (args.file or args.url):
        raise CommandFailed("robots needs --file FILE or --url ORIGIN, and URLs to ask about", exit_code=2)
    settings = FetchSettings.read(Environment(os.environ))
    agent = _token(args.agent) if args.agent else settings.agent
    rules = parse(_content(args.file), agent) if args.file else asyncio.run(_fetched(args.url, agent, settings))
    for url in args.urls:
        _show(_verdict(rules, url, args.url), rules, as_json=args.json)
    return 0


def _show(answer: dict[str, Any], rules: Rules, *, as_json: bool) -> None:
    if as_json:
        write_answer(answer)
        return
    reason = answer["rule"] or ("robots.txt cannot be read" if rules is DISALLOW_ALL else "no rule speaks of it")
    print(f"{'allowed' if answer['allowed'] else 'forbidden'}  {clean(answer['url'])}  ({clean(reason)})")
    if (delay_s := answer["crawl_delay"]) is not None:
        kept = ", the longest that is kept" if delay_s == MAX_CRAWL_DELAY_S else ""
        print(f"  one request in {delay_s:g} s{kept}")


def _verdict(rules: Rules, url: str, base: str | None = None) -> dict[str, Any]:
    rule = rules.deciding(_path(url, base))
    return {
        "url": url,
        "allowed": rule is None or rule.allow,
        "rule": None if rule is None or rules is DISALLOW_ALL else str(rule),
        "crawl_delay": rules.crawl_delay_s,
    }


def _path(url: str, base: str | None = None) -> str:
    """As the fetcher would ask for it; of what it would never ask for, what comes after the host."""
    try:
        return path_and_query(normalise(url, base))
    except InvalidInput:
        found = re.match(r"(?:[^/?;#]*://|//)?[^/?;#]*([/?;][^#]*)?", url)
        path = found[1] if found and found[1] else "/"
        return path if path.startswith("/") else f"/{path}"


def _answers(case: dict[str, Any], agent: str | None) -> Iterator[dict[str, Any]]:
    """One for each query of a case, or for the case where it is a query itself."""
    queries = case["queries"] if isinstance(case.get("queries"), list) else [case]
    content = _case_content(case)
    parsed: dict[str, Rules] = {}
    for query in queries:
        asked = query if isinstance(query, dict) else {}
        url, name = asked.get("url"), asked.get("user_agent", agent)
        if content is None or not isinstance(url, str) or not isinstance(name, str):
            sentence = "a case holds robots_txt or robots_txt_b64, and queries with user_agent and url"
            error = {"code": "case_invalid", "message": sentence}
            yield {"url": url, "allowed": None, "rule": None, "crawl_delay": None, "error": error}
            continue
        if name not in parsed:
            parsed[name] = parse(content, name)
        yield _verdict(parsed[name], url)


def _case_content(case: dict[str, Any]) -> bytes | None:
    if isinstance(text := case.get("robots_txt"), str):
        return text.encode("utf-8", "surrogatepass")
    with suppress(binascii.Error, ValueError):
        if isinstance(encoded := case.get("robots_txt_b64"), str):
            return base64.b64decode(encoded, validate=True)
    return None


def _token(agent: str) -> str:
    found = re.match(r"[A-Za-z_-]+", agent)
    if found is None:
        raise CommandFailed("--agent is a product token: letters, - and _", exit_code=2)
    return found[0]


def _content(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(MAX_FILE_BYTES)
        with Path(name).open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "this is not the name of a file"
        raise CommandFailed(f"{clean(name)} cannot be read: {reason}", exit_code=2) from None


async def _fetched(site: str, agent: str, settings: FetchSettings) -> Rules:
    tls = httpx.create_ssl_context()
    async with open_client(settings.guard, tls=tls, user_agent=settings.user_agent) as client:
        return await Robots(Fetcher(client), agent, NoShelf(), lambda: datetime.now(UTC)).rules(normalise(site))
