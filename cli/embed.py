"""`sluice embed`: the vectors of texts, by hand."""

import argparse
import json
import os
from typing import TYPE_CHECKING

from cli.text import clean, shorten
from functions.inference.core import checked_texts
from functions.inference.handler import Settings
from functions.inference.model import Model
from shared.settings import Environment

if TYPE_CHECKING:
    from functions.inference.core import Vector

SHOWN = 6


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("embed", help="by hand: the vectors of texts")
    parser.add_argument("texts", metavar="TEXT", nargs="+")
    parser.add_argument("--truncate", action="store_true", help="cut a text that is too long for the model")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def run(args: argparse.Namespace) -> int:
    settings = Settings.read(Environment(os.environ))
    model = Model.open(settings.folder, settings.cache, threads=settings.threads)
    sequences = [
        model.frame.frame(content, truncate=args.truncate) for content in model.tokenize(checked_texts(args.texts))
    ]
    vectors = [model.embed([sequence])[0] for sequence in sequences]
    if args.json:
        rows = [_numbers(vector) for vector in vectors]
        print(json.dumps({"model": settings.model, "dimension": model.config.hidden, "vectors": rows}))
        return 0
    for text, sequence, vector in zip(args.texts, sequences, vectors, strict=True):
        head = " ".join(f"{number:+.4f}" for number in vector[:SHOWN].tolist())
        print(f"{shorten(clean(text), 60)}\n  {len(sequence)} tokens, {len(vector)} dimensions: {head} …")
    return 0


def _numbers(vector: "Vector") -> list[float]:
    """Nine digits say all that a float32 holds."""
    return [float(f"{number:.9g}") for number in vector.tolist()]
