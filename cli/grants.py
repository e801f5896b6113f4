"""`sluice grants`: who else may use a corpus, and whose corpora are open to you."""

import argparse
from urllib.parse import quote

from cli import target
from cli.api import Api, Body
from cli.failure import CommandFailed
from cli.text import clean, json_line

CORPORA, RECEIVED = "/api/corpora", "/api/corpus-grants"
_TAKES = {"list": "at most a corpus", "give": "a corpus and a caller id", "revoke": "a corpus and a caller id"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("grants", help="let other callers use a corpus, and say who may")
    parser.add_argument(
        "action",
        choices=tuple(_TAKES),
        help="list CORPUS: who may use it; list: what others let you use; give CORPUS CALLER_ID: let another caller "
        "look, search and export, from its next request on; revoke CORPUS CALLER_ID: no more",
    )
    parser.add_argument("corpus", nargs="?", metavar="CORPUS")
    parser.add_argument("caller_id", nargs="?", metavar="CALLER_ID", help="as `sluice keys list --json` shows it")
    parser.add_argument("--write", action="store_true", help="give: to hand in URLs for it, too")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if (args.action == "list") == (args.caller_id is not None):
        raise CommandFailed(f"`sluice grants {args.action}` takes {_TAKES[args.action]} after it", exit_code=2)
    if args.write and args.action != "give":
        raise CommandFailed("--write is for give", exit_code=2)
    answer = _ask(target.find(args).api(), args)
    if args.json:
        print(json_line(answer))
    elif "grants" not in answer:
        print(f"{answer['caller_id']} {_may(answer, args.action)} {clean(args.corpus)}")
    elif not answer["grants"]:
        print("nobody else may use it" if args.corpus else "nobody lets you use a corpus")
    else:
        for grant in answer["grants"]:
            print(line(grant))
    return 0


def _ask(api: Api, args: argparse.Namespace) -> Body:
    if args.action == "list":
        where = RECEIVED if args.corpus is None else f"{CORPORA}/{quote(args.corpus, safe='')}/grants"
        return {"grants": api.every(where, "grants")}
    where = f"{CORPORA}/{quote(args.corpus, safe='')}/grants/{quote(args.caller_id, safe='')}"
    return api.delete(where) if args.action == "revoke" else api.put(where, {"access": _access(args)})


def _access(args: argparse.Namespace) -> str:
    return "write" if args.write else "read"


def _may(grant: Body, action: str) -> str:
    if action == "revoke":
        return "may no longer use"
    return "may search and fill" if grant["access"] == "write" else "may search"


def line(grant: Body) -> str:
    """One that was given: to whom. One that was received: of which corpus, by its id, and whose."""
    what = (grant["corpus_id"], grant["name"], grant["owner"][:12]) if "owner" in grant else (grant["caller_id"],)
    return clean("  ".join((grant["granted_at"][:19], f"{grant['access']:<5}", *what)))
