"""The command line. Only the module of the command that was asked for is imported."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from cli.endings import end_in_order
from cli.failure import CommandFailed
from shared.errors import InvalidInput, SluiceError

# Name, and the line it has in the help. Each is a module `cli.<name>` with `add_parser(subparsers)` and `run(args)`.
COMMANDS = {
    "up": "start a platform on this machine",
    "down": "stop it",
    "status": "say what is running, and whether it is ready",
    "ingest": "fetch pages, or those of a sitemap, and make them searchable",
    "search": "ask what was indexed",
    "why": "where a page is, what it waits for, and what comes next",
    "jobs": "list jobs, show one with its pages, call it off, or send what failed again",
    "corpora": "list corpora with what they hold, or delete one for good",
    "export": "every chunk of a corpus as a line of JSON, with its vector",
    "webhooks": "list webhook deliveries, send one again, or show the secret",
    "cost": "say what work took: tokens, bytes, processor seconds",
    "verify": "say whether state, index and stored objects agree, and mend what does not",
    "keys": "make, list, revoke and rotate API keys",
    "grants": "let other callers use a corpus, and say who may",
    "audit": "say who did what",
    "logs": "show what a function wrote",
    "top": "a live table: functions, replicas, queues, rates, waits",
    "trace": "the waterfall of a page or a job: where its time went",
    "extract": "by hand: the main text of a page",
    "robots": "what a robots.txt says about URLs, and which rule says so",
    "url": "whether a URL would be fetched, from which addresses, and why not",
    "chunk": "by hand: the chunks of a text",
    "embed": "by hand: the vectors of texts",
    "inference": "run the embeddings endpoint alone",
    "openapi": "the OpenAPI document of the HTTP interface",
    "types": "types for clients, in TypeScript or Python",
    "emulate": "run the functions and triggers of any project, and nothing else",
    "record": "keep the calls and events of a run, to be played again",
    "replay": "play recorded calls and events again, and show what is different",
    "fault": "make calls and events of a running platform fail, and stop doing so",
    "render": "write what each platform deploys, from one description",
    "migrate": "bring a database to the schema of this version",
    "lint": "say what a real cluster would do to these manifests",
    "kpa": "what the Knative autoscaler decides for a load, tick by tick",
    "cesql": "what a CESQL expression is worth for an event",
    "filter": "whether a Trigger wants an event, and why",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code: 0 done, 1 failed, 2 bad usage, 3 some pages failed, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        end_in_order()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        return _run(arguments)
    except CommandFailed as failure:
        print(f"sluice: {failure}", file=sys.stderr)
        return failure.exit_code
    except SluiceError as error:
        print(f"sluice: {error.message} ({error.code})", file=sys.stderr)
        return 2 if isinstance(error, InvalidInput) else 1
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; so does the interpreter's complaint about it
        return 1
    except KeyboardInterrupt:
        return 130


def _run(arguments: list[str]) -> int:
    wanted = arguments[0] if arguments else ""
    module = import_module(f"cli.{wanted}") if wanted in COMMANDS else None
    args = _parser(wanted, module).parse_args(arguments)
    assert module is not None
    code: int = module.run(args)
    sys.stdout.flush()
    return code


def _parser(wanted: str, module: ModuleType | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sluice",
        description="Turns URLs into a searchable corpus.",
        epilog="sluice COMMAND --help says more.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        if name == wanted and module is not None:
            module.add_parser(commands)
        else:
            commands.add_parser(name, help=summary)
    return parser


if __name__ == "__main__":
    sys.exit(main())
