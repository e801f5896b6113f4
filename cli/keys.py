"""`sluice keys`: makes, lists, ends and replaces API keys. It takes a key with the scope `admin`."""

import argparse

from cli import target
from cli.api import Api, Body
from cli.failure import CommandFailed
from cli.text import clean, json_line

KEYS = "/function/membership/keys"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("keys", help="make, list, revoke and rotate API keys")
    parser.add_argument(
        "action",
        choices=("create", "list", "revoke", "rotate"),
        help="create CALLER: a key of the caller of this name, shown this once; list; revoke ID: within a minute it is "
        "refused everywhere; rotate ID: a new key in its place",
    )
    parser.add_argument("name", nargs="?", metavar="CALLER|ID", help="an id is what `sluice keys list` shows")
    parser.add_argument("--label", metavar="TEXT", help="create: what it is for")
    parser.add_argument("--tier", metavar="NAME", help="create: free, standard, premium (default: standard)")
    parser.add_argument("--scopes", metavar="LIST", help="create: of read,write,admin (default: read,write)")
    parser.add_argument("--service", action="store_true", help="create: a program's, not a person's")
    parser.add_argument(
        "--overlap", type=int, metavar="SECONDS", default=0, help="rotate: how long the old one goes on (default: 0)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if (args.name is None) != (args.action == "list"):
        wanted = {"create": "the name of a caller", "list": "nothing"}.get(args.action, "the id of a key")
        raise CommandFailed(f"`sluice keys {args.action}` takes {wanted} after it", exit_code=2)
    answer = _ask(target.find(args).api(), args)
    if args.json:
        print(json_line(answer))
    elif "keys" in answer:
        for key in answer["keys"]:
            print(line(key))
    elif "key" in answer:
        print(f"{answer['key']}\nkey {answer['id']} of caller {answer['caller_id']}. It is not shown again.")
    else:
        print(f"key {answer['id']} ends {answer['revoked_at'][:19]}; by a minute later it is refused everywhere")
    return 0


def _ask(api: Api, args: argparse.Namespace) -> Body:
    if args.action == "list":
        return api.get(KEYS)
    if args.action == "create":
        body = {"caller": args.name, "label": args.label, "tier": args.tier}
        body |= {"caller_type": "service" if args.service else None}
        body |= {"scopes": args.scopes.split(",") if args.scopes else None}
        return api.post(KEYS, {name: value for name, value in body.items() if value is not None}, again=False)
    if args.action == "revoke":
        return api.post(f"{KEYS}/revoke", {"id": args.name})
    return api.post(f"{KEYS}/rotate", {"id": args.name, "overlap_seconds": args.overlap}, again=False)


def line(key: Body) -> str:
    ended = f"ends {key['revoked_at'][:19]}" if key["revoked_at"] else ""
    parts = (key["id"], key["created_at"][:19], key["caller_id"][:12], key["tier"], ",".join(key["scopes"]), ended)
    return clean("  ".join((*parts, key["label"])).rstrip())
