"""`sluice search`: the passages nearest to a question."""

import argparse
import textwrap

from cli import target
from cli.api import Body
from cli.text import clean, json_line


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("search", help="ask what was indexed")
    parser.add_argument("query", metavar="QUERY", nargs="+")
    parser.add_argument("--corpus", metavar="NAME", default="default", help="where to look (default: default)")
    parser.add_argument("-k", type=int, metavar="N", default=5, help="how many passages (default: 5)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    body = {"query": " ".join(args.query), "corpus": args.corpus, "k": args.k}
    found = target.find(args).api().post("/api/embedding/search", body)["results"]
    if args.json:
        print(json_line({"results": [result(one) for one in found]}))
    elif not found:
        print(f"nothing found in corpus {args.corpus}")
    for rank, one in enumerate(() if args.json else found, 1):
        print(_passage(rank, one))
    return 0


def result(found: Body) -> Body:
    fields = ("url", "title", "score", "text", "ordinal", "start", "end")
    return {name: found.get(name) for name in fields}


def _passage(rank: int, found: Body) -> str:
    title = clean(found.get("title") or "") or "(no title)"
    text = textwrap.fill(
        textwrap.shorten(clean(found["text"]), 400, placeholder=" …"),
        100,
        initial_indent="   ",
        subsequent_indent="   ",
    )
    return f"{rank}. {title}  [{found['score']:.3f}]\n   {clean(found['url'])}\n{text}\n"
