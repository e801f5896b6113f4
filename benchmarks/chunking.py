"""The chunker against the bare tokenizer, and against a sliding window for finding answers.

    python -m benchmarks.chunking [FOLDER]

FOLDER holds `corpora/`, `questions.jsonl` and `score_chunks.py` (default: ../shared/data/chunking). Prints tokens a
second of the tokenizer alone on the whole text and of the chunker; then recall and IoU of the five best chunks by the
cosine of all-MiniLM-L6-v2, for sliding windows of 250 tokens and for ours. Takes about two minutes.
"""

import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from functions.chunk.spans import Sizes
from functions.chunk.tokens import Chunker
from functions.inference.core import plan_batches
from functions.inference.handler import Settings
from functions.inference.model import Model
from shared.model_files import tokenizer_file
from shared.settings import Environment

DEFAULT = Path(__file__).resolve().parents[2] / "shared/data/chunking"
SPEED_CHARS = 5_000_000
Spans = list[tuple[int, int]]


def scorer(folder: Path) -> Any:  # noqa: ANN401
    spec = importlib.util.spec_from_file_location("score_chunks", folder / "score_chunks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def speed(chunker: Chunker, corpora: dict[str, str]) -> None:
    text = "\n\n".join(corpora.values())
    text = (text * (SPEED_CHARS // len(text) + 1))[:SPEED_CHARS]
    started = time.perf_counter()
    tokens = chunker.count(text)
    bare = time.perf_counter() - started
    started = time.perf_counter()
    chunker.chunk(text, Sizes(250, 50))
    ours = time.perf_counter() - started
    print(f"{len(text):,} characters, {tokens:,} tokens")
    print(f"tokenizer alone {tokens / bare:10,.0f} tokens/s")
    print(f"chunker         {tokens / ours:10,.0f} tokens/s, {bare / ours:.2f} times that\n")


def sliding(chunker: Chunker, size: int, overlap: int) -> Callable[[str], Spans]:
    """Windows that start and end at words."""

    def spans(text: str) -> Spans:
        tokens = chunker.tokens(text)
        start, found = 0, []
        while True:
            end = min(start + size, len(tokens))
            while not tokens.heads[end]:
                end -= 1
            found.append((tokens.starts[start], tokens.ends[end - 1]))
            if end == len(tokens):
                return found
            start = end - overlap
            while not tokens.heads[start]:
                start += 1

    return spans


def ours(chunker: Chunker, size: int, overlap: int) -> Callable[[str], Spans]:
    return lambda text: [(span.start, span.end) for span in chunker.chunk(text, Sizes(size, overlap))]


def embedder(model: Model) -> Callable[[list[str]], list[Any]]:
    def embed(texts: list[str]) -> list[Any]:
        sequences = [model.frame.frame(content, truncate=True) for content in model.tokenize(texts)]
        vectors: list[Any] = [None] * len(texts)
        for batch in plan_batches([len(sequence) for sequence in sequences], 2048):
            for index, vector in zip(batch, model.embed([sequences[index] for index in batch]), strict=True):
                vectors[index] = vector
        return vectors

    return embed


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    score, env = scorer(folder), Environment(os.environ)
    corpora, questions = score.load(folder)
    chunker = Chunker.open(tokenizer_file(env))
    speed(chunker, corpora)
    settings = Settings.read(env)
    embed = embedder(Model.open(settings.folder, settings.cache, threads=settings.threads))
    for shape in (sliding, ours):
        for size, overlap in ((250, 0), (250, 50)):
            spans = shape(chunker, size, overlap)
            chunks = [score.Chunk(name, *span) for name, text in corpora.items() for span in spans(text)]
            rows = score.evaluate(chunks, questions, corpora, score.embedding_retriever(chunks, corpora, embed, 4096))
            print(
                f"{shape.__name__} {size}, overlap {overlap}: {len(chunks)} chunks\n{score.report(rows)}\n", flush=True
            )


if __name__ == "__main__":
    main()
