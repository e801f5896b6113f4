"""`sluice why`: one paragraph on where a page is, what it waits for, and what comes next."""

import argparse
import shutil
import textwrap
from collections.abc import Iterable

from cli import target
from cli.api import Api, ApiError, Body
from cli.failure import CommandFailed
from cli.kept import DOCUMENTS, MOST_OF_A_URL, Asked, asked
from cli.nearby import nearby, workers
from cli.numbers import Labels, numbers
from cli.status import fetch, said_by
from cli.text import clean, json_line, plural, shorten

NARROWEST, WIDEST = 30, 110


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "why",
        help="where a page is, what it waits for, and what comes next",
        description="Says in a paragraph where a page is and why. Of a URL that several jobs had, the newest is told.",
    )
    parser.add_argument("what", metavar="URL|DOCUMENT")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, with all facts")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    wanted = asked(args.what)
    aim = target.find(args)
    api = aim.api()
    document, others = _by_url(api, wanted) if wanted.kind == "url" else (_by_id(api, wanted), [])
    status = said_by(aim.port)
    said = nearby(document, status, _told_by(aim.port, workers(document, status)))
    if args.json:
        print(json_line({**document, "nearby": said, "others": others}))
        return 0
    width = min(WIDEST, max(NARROWEST, shutil.get_terminal_size((WIDEST, 24)).columns))
    print(shorten(clean(document["url"]), 1000))
    print(textwrap.fill(clean(" ".join([document["why"], *said])), width))
    print(f"document {document['document_id']}, job {document['job_id']}, corpus {clean(document['corpus'])}")
    if others:
        print(_not_told(others))
    return 0


def _told_by(port: int, functions: Iterable[str]) -> dict[str, dict[Labels, float]]:
    texts = [fetch(port, f"/function/{name}/metrics") for name in functions]
    return numbers("\n".join(text.decode(errors="replace") for text in texts if text))


def _by_url(api: Api, wanted: Asked) -> tuple[Body, list[Body]]:
    found = api.get(DOCUMENTS, {"url": wanted.value, "limit": MOST_OF_A_URL})["documents"]
    if not found:
        raise CommandFailed(
            f"no job of yours has ever had {shorten(clean(wanted.value), 200)}: sluice ingest hands it in"
        )
    newest, *others = found
    return api.get(f"{DOCUMENTS}/{newest['document_id']}"), others


def _by_id(api: Api, wanted: Asked) -> Body:
    try:
        return api.get(f"{DOCUMENTS}/{wanted.uuid}")
    except ApiError as error:
        if error.status != 404:
            raise
    if _is_job(api, wanted):
        raise CommandFailed(f"{wanted.uuid} is a job: sluice jobs {wanted.uuid} shows its pages", exit_code=2)
    raise CommandFailed(f"there is no document {wanted.uuid} of yours")


def _is_job(api: Api, wanted: Asked) -> bool:
    try:
        api.get(f"/api/orchestrator/jobs/{wanted.uuid}")
    except ApiError as error:
        if error.status != 404:
            raise
        return False
    return True


def _not_told(others: list[Body]) -> str:
    newest = others[0]
    count = (
        f"{MOST_OF_A_URL - 1} older documents or more"
        if len(others) >= MOST_OF_A_URL - 1
        else plural(len(others), "older document")
    )
    return f"This URL has {count}, too; the one before: {newest['document_id']} ({newest['status']})"
