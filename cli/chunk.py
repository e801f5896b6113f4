"""`sluice chunk`: the chunks of a text, by hand."""

import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from cli.failure import CommandFailed
from cli.text import clean, json_line, plural, shorten
from functions.chunk.handler import describe
from functions.chunk.main import read_sizes
from functions.chunk.spans import Sizes, Span
from functions.chunk.tokens import Chunker
from shared.model_files import tokenizer_file
from shared.settings import Environment

LINE_CHARS = 100
MOST_BYTES = 64 * 1024 * 1024


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("chunk", help="by hand: the chunks of a text")
    parser.add_argument("file", metavar="FILE", help="a UTF-8 text; - reads standard input")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="the most tokens in a chunk (default: 250)")
    parser.add_argument("--overlap", type=int, metavar="N", help="tokens that two chunks may share (default: 50)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def run(args: argparse.Namespace) -> int:
    env = Environment(os.environ)
    text, sizes = read_text(args.file), _sizes(args, read_sizes(env))
    chunker = Chunker.open(tokenizer_file(env))
    spans = chunker.chunk(text, sizes)
    if args.json:
        print(json_line(describe(text, spans, chunker.name(sizes))))
    else:
        _show(text, spans)
    return 0


def read_text(name: str) -> str:
    """Line ends as they are: offsets count them."""
    try:
        with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise CommandFailed(f"{name} is over the limit of {MOST_BYTES >> 20} MiB", exit_code=2)
        return content.decode()
    except OSError as error:
        raise CommandFailed(f"cannot read {name}: {error.strerror}", exit_code=2) from error
    except UnicodeDecodeError:
        raise CommandFailed(f"{name} is not a UTF-8 text", exit_code=2) from None


def _sizes(args: argparse.Namespace, default: Sizes) -> Sizes:
    most = default.max_tokens if args.max_tokens is None else args.max_tokens
    overlap = min(default.overlap_tokens, most // 2) if args.overlap is None else args.overlap
    return Sizes(most, overlap)


def _show(text: str, spans: list[Span]) -> None:
    for ordinal, (start, end, tokens) in enumerate(spans):
        first_line = text[start:end].splitlines()[0]
        print(f"{ordinal:>4}  {plural(tokens, 'token'):>10}  {shorten(clean(first_line), LINE_CHARS)}")
    total = sum(span.tokens for span in spans)
    print(f"{plural(len(spans), 'chunk')}, {plural(total, 'token')}" if spans else "no text, no chunks")
