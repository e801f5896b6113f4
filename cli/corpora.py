"""`sluice corpora`: what there is, and one of them gone for good."""

import argparse
import json
import sys

from cli import target
from cli.api import Api, Body
from cli.failure import CommandFailed
from cli.text import clean, plural

CORPORA = "/api/corpora"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("corpora", help="list corpora with what they hold, or delete one for good")
    parser.add_argument("name", nargs="?", metavar="NAME", help="this one alone")
    parser.add_argument(
        "--delete", action="store_true", help="with its pages, vectors, jobs and stored objects; there is no way back"
    )
    parser.add_argument("--yes", action="store_true", help="with --delete: do not ask")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.delete and not args.name:
        raise CommandFailed("name the corpus: sluice corpora NAME --delete", exit_code=2)
    api = target.find(args).api()
    if args.delete:
        return _delete(api, args.name, sure=args.yes, as_json=args.json)
    if args.name:
        return _show(api.get(f"{CORPORA}/{args.name}"), as_json=args.json)
    return _list(api, as_json=args.json)


def _list(api: Api, *, as_json: bool) -> int:
    corpora = api.every(CORPORA, "corpora")
    if as_json:
        print(json.dumps({"corpora": corpora}))
    elif not corpora:
        print("no corpora yet; hand in a URL with: sluice ingest URL")
    for corpus in () if as_json else corpora:
        print(f"{corpus['name']:<24}  {_held(corpus)}, {clean(corpus['model'])}")
    return 0


def _show(corpus: Body, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(corpus))
        return 0
    print(f"{corpus['name']}: {_held(corpus)}, {plural(corpus['tokens'], 'token')}")
    print(f"made {corpus['created_at'][:19]}, {clean(corpus['model'])} with {corpus['dimension']} dimensions")
    print(f"chunks of {corpus['chunk_max_tokens']} tokens, {corpus['chunk_overlap_tokens']} of them shared")
    print(f"vector index: {corpus['vector_index']}")
    return 0


def _delete(api: Api, name: str, *, sure: bool, as_json: bool) -> int:
    if not sure:
        _ask(api.get(f"{CORPORA}/{name}"))
    proof = api.delete(f"{CORPORA}/{name}")
    print(json.dumps(proof) if as_json else _removed(proof))
    return 0


def _ask(corpus: Body) -> None:
    """Raises when it is not to be."""
    if not sys.stdin.isatty():
        raise CommandFailed("nobody is there to be asked: --yes deletes it all the same", exit_code=2)
    print(f"{corpus['name']} holds {_held(corpus)}. Type its name to delete it for good: ", end="", file=sys.stderr)
    sys.stderr.flush()
    if sys.stdin.readline().strip() != corpus["name"]:
        raise CommandFailed("it stays as it is", exit_code=1)


def _held(corpus: Body) -> str:
    return f"{plural(corpus['pages'], 'page')}, {plural(corpus['chunks'], 'chunk')}"


def _removed(proof: Body) -> str:
    if proof["status"] != "deleted":
        return f"{proof['corpus']} is gone for you; the rest of it goes now (deletion {proof['deletion_id']})"
    counts = ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in proof["removed"].items() if count)
    return f"{proof['corpus']} is gone: {counts or 'it was empty'} (deletion {proof['deletion_id']})"
