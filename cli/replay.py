"""`sluice replay`: plays recorded calls and events again, and shows what is different."""

import argparse
import base64
import http.client
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cli import recordings, target
from cli.differences import MOST_LINES, Answer, Difference, differences
from cli.failure import CommandFailed
from cli.record import line_of
from cli.text import clean, plural, shorten

TIMEOUT_S = 330.0
# Belong to the connection, or to the platform that adds its own.
LEFT_OUT = frozenset(
    ("accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te",
     "trailer", "transfer-encoding", "upgrade", "x-call-id", "x-forwarded-for", "x-forwarded-host", "x-start-time")
)  # fmt: skip
STATES = ("same", "different", "skipped")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "replay",
        help="play recorded calls and events again, and show what is different",
        description="Sends what was recorded to the functions of a running platform, in order and one at a time, and "
        "compares status, headers and body with what was answered then. An event goes straight to its function. "
        "Exit code 0: all alike; 1: not.",
    )
    parser.add_argument("recording", nargs="?", metavar="NAME|FILE", help="(default: the newest)")
    parser.add_argument("--only", type=_numbers, metavar="N[,N…]", help="these exchanges alone")
    parser.add_argument("--function", metavar="NAME", help="those of this function alone")
    parser.add_argument("--to", metavar="NAME", help="send them to this function instead")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="PLACE",
        help="what may differ: status, body, 'header NAME', or a path such as '$.items[*].at'; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--header", action="append", default=[], type=_header, metavar="NAME: VALUE",
        help="send this one; for what was not recorded because it is secret",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    aim, found = target.running_here(args)
    if found is None:
        raise CommandFailed(f"{target.absence(args, aim)}. Start one with `sluice up` or `sluice emulate`.")
    recording = recordings.named(aim.data_dir, args.recording)
    chosen = [each for each in recording.exchanges() if _is_chosen(args, each)]
    if not chosen:
        raise CommandFailed(f"{recording.name} has nothing of that kind to play", exit_code=2)
    results = [_play(args, found.port, aim.data_dir, each) for each in chosen]
    if args.json:
        counted = {
            state: sum(each["result"] == state for each in results) for state in ("same", "different", "skipped")
        }
        print(json.dumps({"recording": recording.name, **counted, "exchanges": results}))
    else:
        _print(recording.name, chosen, results)
    return 0 if all(each["result"] == "same" for each in results) else 1


def _is_chosen(args: argparse.Namespace, exchange: dict[str, Any]) -> bool:
    return (not args.only or exchange["n"] in args.only) and args.function in (None, exchange["function"])


def _play(args: argparse.Namespace, port: int, data_dir: Path, exchange: dict[str, Any]) -> dict[str, Any]:
    """`result` same, different or skipped."""
    said = {"n": exchange["n"], "function": exchange["function"], "kind": exchange["kind"]}
    request, response = exchange["request"], exchange["response"]
    if reason := _unplayable(request, response):
        return {**said, "result": "skipped", "reason": reason, "differences": []}
    headers, missing = _headers(args, data_dir, request)
    now = _ask(port, args.to or exchange["function"], request, headers)
    if now is None:
        found = [Difference("status", response["status"], None)]
    else:
        recorded = Answer(response["status"], dict(response["headers"]), _content(response["body"]))
        found = differences(recorded, now, args.ignore)
    note = f"was sent without {', '.join(missing)}, which is not recorded" if missing else ""
    shown = [{"at": each.at, "recorded": each.recorded, "now": each.now} for each in found]
    return {**said, "result": "different" if found else "same", "reason": note, "differences": shown}


def _unplayable(request: dict[str, Any], response: dict[str, Any] | None) -> str:
    if request["body"].get("cut"):
        return f"its body of {request['body']['bytes']:,} bytes was not kept"
    if response is None:
        return "it had no answer to compare with"
    if response["body"].get("cut"):
        return f"the answer's body of {response['body']['bytes']:,} bytes was not kept"
    return ""


def _headers(
    args: argparse.Namespace, data_dir: Path, request: dict[str, Any]
) -> tuple[list[tuple[str, str]], list[str]]:
    """What is sent, and the names of those that nobody gave again. Our own key stands in for a recorded one."""
    gone = {place.removeprefix("header ") for place in request["redacted"] if place.startswith("header ")}
    given = {name.lower(): value for name, value in args.header}
    if "x-api-key" in gone and "x-api-key" not in given and (key := _api_key(data_dir)):
        given["x-api-key"] = key
    kept = [(name, value) for name, value in request["headers"] if name not in LEFT_OUT | gone | given.keys()]
    return [*kept, *given.items()], sorted(gone - given.keys())


def _api_key(data_dir: Path) -> str:
    try:
        return os.environ.get(target.API_KEY) or (data_dir / "api-key").read_text().strip()
    except OSError:
        return ""


def _ask(port: int, function: str, request: dict[str, Any], headers: list[tuple[str, str]]) -> Answer | None:
    """None when the connection broke."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    body = _content(request["body"])
    try:
        path = request["target"] if request["target"].startswith("/") else f"/{request['target']}"
        connection.putrequest(request["method"], f"/function/{quote(function)}{path}", skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value.encode("latin-1"))
        if body or request["method"] in ("POST", "PUT", "PATCH"):
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _content(body: dict[str, Any]) -> bytes:
    return base64.b64decode(body["base64"]) if "base64" in body else str(body["text"]).encode()


def _print(name: str, chosen: list[dict[str, Any]], results: list[dict[str, Any]]) -> None:
    for exchange, result in zip(chosen, results, strict=True):
        note = f"  ({result['reason']})" if result["reason"] else ""
        print(f"{line_of(exchange)}  {result['result']}{note}")
        for each in result["differences"][:MOST_LINES]:
            print(f"         {each['at']}: {_short(each['recorded'])} → {_short(each['now'])}")
        if (more := len(result["differences"]) - MOST_LINES) > 0:
            print(f"         and {more:,} more")
    counts = {state: sum(each["result"] == state for each in results) for state in STATES}
    said = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count or state != "skipped")
    print(f"{name}: {plural(len(results), 'exchange')} played, {said}")


def _short(value: object) -> str:
    return "nothing" if value is None else shorten(clean(json.dumps(value, ensure_ascii=False)), 160)


def _numbers(text: str) -> frozenset[int]:
    try:
        return frozenset(int(each) for each in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("numbers with commas between them, as `record show` gives them") from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or any(c in text for c in "\r\n"):
        raise argparse.ArgumentTypeError("a header is written NAME: VALUE")
    return name.strip(), value.strip()
