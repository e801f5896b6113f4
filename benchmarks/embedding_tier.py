"""Whether our embed stage keeps one H100 busy: tokens a second of the bare model, and through the stage's own batches.

    python -m benchmarks.embedding_tier prepare --pages DIR --out FILE     (here: chunks of 510/64 tokens)
    python -m benchmarks.embedding_tier run FILE --tokenizer FILE          (there: a GPU and torch)

`run` measures passes of a model of bge-large-en-v1.5's shape (`benchmarks.bert_large`: random weights), then the same
behind HTTP, asked by processes that send documents as an embed worker does: its batcher, its client, its bounds on what
is in hand. Prints tokens, chunks and pages a second and the share of the bare model's rate. `--without-gpu` leaves the
arithmetic out and so shows what endpoint and clients could do at most.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.bert_large import FLOP_A_TOKEN, Ids, TorchEncoder
from demo.ports import free_port
from functions.embed.core import BatchLimits
from functions.embed.lane import open_batcher
from functions.embed.settings import BatchSettings
from shared.embeddings.answer import Model
from shared.embeddings.client import EndpointSettings
from shared.embeddings.measures import FILLING

MODEL = Model("BAAI/bge-large-en-v1.5", 1024)
# (processes, requests at once of each, tokens a request): the overlay's own values are the third.
LOADS = ((1, 1, 16_384), (1, 4, 16_384), (1, 8, 65_536), (2, 8, 65_536), (4, 8, 65_536), (2, 4, 131_072))
Document = list[tuple[str, int]]


@dataclass(frozen=True)
class Rate:
    """What one load reached. `busy` is the share of time in which the model computed."""

    tokens: float
    chunks: float
    pages: float
    busy: float
    client_cpu: float


def prepare(pages: Path, out: Path) -> None:
    from demo.pages import recorded_site
    from functions.chunk.spans import Sizes
    from functions.chunk.tokens import Chunker
    from functions.scrape.extraction import from_html
    from shared.errors import Permanent
    from shared.model_files import tokenizer_file
    from shared.settings import Environment

    chunker = Chunker.open(tokenizer_file(Environment({})))
    with out.open("w") as lines:
        for page in recorded_site(pages).values():
            try:
                text = from_html(page.body.decode(errors="replace")).text
            except Permanent:
                continue
            spans = chunker.chunk(text, Sizes(510, 64))
            lines.write(json.dumps([(text[span.start : span.end], span.tokens) for span in spans]) + "\n")


def bare(seconds: float, real: Sequence[int]) -> float:
    """Prints passes of several sizes and gives the rate of real lengths, in tokens a second."""
    encoder = TorchEncoder(compiled=True)
    rng = np.random.default_rng(3)
    rate = 0.0
    print("bare model                        tokens/s  TFLOP/s in matrices  ms a pass")
    for name, lengths in (
        ("8 of 512 tokens", [512] * 8),
        ("32 of 512 tokens", [512] * 32),
        ("256 of 512 tokens", [512] * 256),
        ("1024 of 128 tokens", [128] * 1024),
        (f"{len(real)} real ones", real),
    ):
        batch = [rng.integers(1000, 30_000, length) for length in lengths]
        pass_s = _median_pass(encoder, batch, seconds)
        rate = sum(lengths) / pass_s
        print(f"{name:<26}{rate:>16,.0f}{rate * FLOP_A_TOKEN / 1e12:>21.0f}{pass_s * 1000:>11.1f}")
    return rate


def _median_pass(encoder: TorchEncoder, batch: list[Ids], seconds: float) -> float:
    for _ in range(3):
        encoder.embed(batch)
    taken, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        encoder.embed(batch)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def through_the_stage(url: str, documents: Sequence[Document], load: tuple[int, int, int], seconds: float) -> Rate:
    processes, concurrency, max_tokens = load
    settings = BatchSettings(EndpointSettings(f"{url}/v1", 120.0), BatchLimits(max_tokens, 256), concurrency, 0.5)
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        pool.map(_warm, range(processes))
        before, began = counts(url), time.perf_counter()
        shares = [(settings, documents[n::processes] or documents, seconds) for n in range(processes)]
        done = pool.starmap(_client, shares)
        wall_s, after = time.perf_counter() - began, counts(url)
    total = {key: after[key] - before[key] for key in after}
    pages, chunks, tokens, cpu_s = (sum(each[n] for each in done) for n in range(4))
    return Rate(
        tokens / wall_s,
        chunks / wall_s,
        pages / wall_s,
        total["busy_s"] / wall_s,
        cpu_s / wall_s,
    )


def _warm(_: int) -> None:
    """Imports what a client needs before the clock runs."""
    import openai  # noqa: F401


def _client(settings: BatchSettings, documents: Sequence[Document], seconds: float) -> tuple[int, int, int, float]:
    """Pages, chunks, tokens and CPU seconds of documents that ended."""
    cpu_s = time.process_time()
    done = asyncio.run(_embed_for(settings, documents, seconds))
    return (*done, time.process_time() - cpu_s)


async def _embed_for(settings: BatchSettings, documents: Sequence[Document], seconds: float) -> tuple[int, int, int]:
    in_hand_tokens = 2 * settings.concurrency * settings.limits.max_tokens
    until = time.perf_counter() + seconds
    waiting, in_hand, done = itertools.cycle(documents), 0, [0, 0, 0]
    tasks: set[asyncio.Task[None]] = set()
    async with open_batcher(settings, FILLING) as batcher:

        async def one(document: Document, tokens: int) -> None:
            nonlocal in_hand
            await batcher.embed(document, MODEL)
            in_hand -= tokens
            done[0] += 1
            done[1] += len(document)
            done[2] += tokens

        while time.perf_counter() < until:
            while in_hand < in_hand_tokens and len(tasks) < 4096:
                document = next(waiting)
                tokens = sum(count + 2 for _, count in document)
                in_hand += tokens
                task = asyncio.create_task(one(document, tokens))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*tasks)
    return done[0], done[1], done[2]


def counts(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/counts") as answer:
        told: dict[str, float] = json.load(answer)
    return told


@contextmanager
def endpoint(tokenizer: Path, *options: str) -> Iterator[str]:
    port = free_port()
    words = [
        sys.executable,
        "-m",
        "benchmarks.bert_large",
        "--port",
        str(port),
        "--tokenizer",
        str(tokenizer),
        *options,
    ]
    process = subprocess.Popen(words)
    try:
        url = f"http://127.0.0.1:{port}"
        _await(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise SystemExit("the endpoint did not start")
        try:
            counts(url)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the endpoint did not answer within two minutes")


def run(file: Path, tokenizer: Path, seconds: float, *, gpu: bool) -> None:
    documents: list[Document] = [[(text, tokens) for text, tokens in json.loads(line)] for line in file.open()]
    lengths = [tokens + 2 for document in documents for _, tokens in document]
    print(f"{len(documents)} pages, {len(lengths)} chunks, {sum(lengths):,} tokens; {seconds:g} s a line\n")
    best = bare(min(seconds, 3.0), lengths[:256]) if gpu else 0.0
    print("\nthrough the embed stage")
    print("processes  at once  tokens a request    tokens/s  chunks/s  pages/s   busy  client CPU  of bare")
    with endpoint(tokenizer, *([] if gpu else ["--without-gpu"])) as url:
        through_the_stage(url, documents, (1, 2, 32_768), min(seconds, 5.0))  # the first passes compile
        for load in LOADS:
            rate = through_the_stage(url, documents, load, seconds)
            processes, at_once, max_tokens = load
            row = f"{processes:>9}{at_once:>9}{max_tokens:>18,}{rate.tokens:>12,.0f}{rate.chunks:>10,.0f}"
            row += f"{rate.pages:>9,.0f}{rate.busy:>7.0%}{rate.client_cpu:>12.2f}"
            print(row + (f"{rate.tokens / best:>9.2f}" if best else ""), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(required=True, dest="verb")
    preparing = verbs.add_parser("prepare")
    preparing.add_argument("--pages", type=Path, required=True)
    preparing.add_argument("--out", type=Path, required=True)
    running = verbs.add_parser("run")
    running.add_argument("file", type=Path)
    running.add_argument("--tokenizer", type=Path, required=True)
    running.add_argument("--seconds", type=float, default=8.0)
    running.add_argument("--without-gpu", action="store_true")
    options = parser.parse_args()
    if options.verb == "prepare":
        prepare(options.pages, options.out)
    else:
        run(options.file, options.tokenizer, options.seconds, gpu=not options.without_gpu)


if __name__ == "__main__":
    main()
