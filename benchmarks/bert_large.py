"""An OpenAI-compatible endpoint with the arithmetic of bge-large-en-v1.5 on a GPU, for `benchmarks.embedding_tier`.

The weights are random: what a pass costs does not depend on what it says. Everything else is honest work: texts are
tokenised, requests are merged up to `--max-batch-tokens` without padding, as text-embeddings-inference does it, and
the vectors are the normalised first states. Needs torch, which the project itself never installs.
"""

import argparse
import asyncio
import base64
import json
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import numpy as np
from aiohttp import web
from tokenizers import Tokenizer

LAYERS, HIDDEN, HEADS, INNER, WORDS, POSITIONS = 24, 1024, 16, 4096, 30_522, 512
# Multiplications and additions of a token in the layers' matrices; attention comes on top.
FLOP_A_TOKEN = 2 * LAYERS * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER)
Ids = np.ndarray[Any, np.dtype[np.int64]]
Vectors = np.ndarray[Any, np.dtype[np.float32]]


class Encoder(Protocol):
    """Vectors (texts, 1024) of texts as token ids."""

    def embed(self, texts: list[Ids]) -> Vectors: ...


class TorchEncoder:
    """BERT's large form in bfloat16. Texts lie behind one another in one row, so that nothing is padded."""

    def __init__(self, *, compiled: bool) -> None:
        import torch
        from torch.nn import functional
        from torch.nn.attention.varlen import varlen_attn

        self._torch = torch
        torch.manual_seed(1)

        def weight(*shape: int) -> Any:  # noqa: ANN401
            return torch.randn(*shape, device="cuda", dtype=torch.bfloat16) * 0.02

        embeddings = weight(WORDS, HIDDEN), weight(POSITIONS, HIDDEN)
        layers = [
            (weight(3 * HIDDEN, HIDDEN), weight(HIDDEN, HIDDEN), weight(INNER, HIDDEN), weight(HIDDEN, INNER))
            for _ in range(LAYERS)
        ]
        biases = [weight(3 * HIDDEN), weight(HIDDEN), weight(INNER), weight(HIDDEN)]
        one, zero = torch.ones_like(biases[1]), torch.zeros_like(biases[1])

        def normed(x: Any) -> Any:  # noqa: ANN401
            return functional.layer_norm(x, (HIDDEN,), one, zero)

        def states(ids: Any, places: Any, starts: Any, longest: int) -> Any:  # noqa: ANN401
            x = normed(embeddings[0][ids] + embeddings[1][places])
            for qkv, out, up, down in layers:
                q, k, v = functional.linear(x, qkv, biases[0]).view(-1, 3, HEADS, HIDDEN // HEADS).unbind(1)
                mixed = varlen_attn(q, k, v, starts, starts, longest, longest).reshape(-1, HIDDEN)
                x = normed(x + functional.linear(mixed, out, biases[1]))
                inner = functional.gelu(functional.linear(x, up, biases[2]))
                x = normed(x + functional.linear(inner, down, biases[3]))
            return functional.normalize(x[starts[:-1].long()].float(), dim=-1)

        self._states = torch.compile(states, dynamic=True) if compiled else states

    def embed(self, texts: list[Ids]) -> Vectors:
        torch = self._torch
        lengths = [len(text) for text in texts]
        starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        places = np.concatenate([np.arange(length) for length in lengths])
        with torch.inference_mode():
            found = self._states(
                torch.from_numpy(np.concatenate(texts)).cuda(non_blocking=True),
                torch.from_numpy(places).cuda(non_blocking=True),
                torch.from_numpy(starts).cuda(non_blocking=True),
                POSITIONS,
            )
            vectors: Vectors = found.cpu().numpy()
        return vectors


class NoEncoder:
    """For a machine without a GPU: everything but the arithmetic, to try the endpoint itself."""

    def embed(self, texts: list[Ids]) -> Vectors:
        vectors = np.zeros((len(texts), HIDDEN), np.float32)
        vectors[:, 0] = 1
        return vectors


@dataclass(frozen=True)
class Asked:
    """One request's texts, and where their vectors go."""

    texts: list[Ids]
    answer: "Future[Vectors]"

    @property
    def tokens(self) -> int:
        return sum(map(len, self.texts))


class Merger(threading.Thread):
    """Computes what waits, as many whole requests at once as fit. `busy_s` is time in the encoder."""

    def __init__(self, encoder: Encoder, max_tokens: int) -> None:
        super().__init__(daemon=True, name="merger")
        self.waiting: SimpleQueue[Asked] = SimpleQueue()
        self.busy_s, self.tokens, self.passes = 0.0, 0, 0
        self._encoder = encoder
        self._max_tokens = max_tokens

    def run(self) -> None:
        left: Asked | None = None
        while True:
            first = left or self.waiting.get()
            together, left = self._together(first)
            began = time.perf_counter()
            vectors = self._encoder.embed([text for asked in together for text in asked.texts])
            self.busy_s += time.perf_counter() - began
            self.tokens += sum(asked.tokens for asked in together)
            self.passes += 1
            start = 0
            for asked in together:
                asked.answer.set_result(vectors[start : start + len(asked.texts)])
                start += len(asked.texts)

    def _together(self, first: Asked) -> tuple[list[Asked], Asked | None]:
        together, tokens = [first], first.tokens
        while True:
            try:
                asked = self.waiting.get_nowait()
            except Empty:
                return together, None
            if tokens + asked.tokens > self._max_tokens:
                return together, asked
            together.append(asked)
            tokens += asked.tokens


def app(tokenizer: Tokenizer, merger: Merger) -> web.Application:
    def read(body: bytes) -> tuple[str, list[Ids]]:
        asked = json.loads(body)
        encodings = tokenizer.encode_batch_fast(asked["input"])
        return asked["model"], [np.array(encoding.ids, np.int64) for encoding in encodings]

    def written(model: str, vectors: Vectors) -> bytes:
        rows = (base64.b64encode(vector.tobytes()).decode() for vector in vectors)
        data = [{"object": "embedding", "index": n, "embedding": row} for n, row in enumerate(rows)]
        return json.dumps({"object": "list", "model": model, "data": data}).encode()

    async def embeddings(request: web.Request) -> web.Response:
        model, texts = await asyncio.to_thread(read, await request.read())
        asked = Asked(texts, Future())
        merger.waiting.put(asked)
        vectors = await asyncio.wrap_future(asked.answer)
        return web.Response(body=await asyncio.to_thread(written, model, vectors), content_type="application/json")

    async def counts(_: web.Request) -> web.Response:
        return web.json_response({"busy_s": merger.busy_s, "tokens": merger.tokens, "passes": merger.passes})

    routes = [web.post("/v1/embeddings", embeddings), web.get("/counts", counts)]
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.add_routes(routes)
    return application


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--max-batch-tokens", type=int, default=131_072)
    parser.add_argument("--without-gpu", action="store_true")
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    tokenizer.enable_truncation(POSITIONS)
    tokenizer.no_padding()
    merger = Merger(NoEncoder() if options.without_gpu else TorchEncoder(compiled=True), options.max_batch_tokens)
    merger.start()
    web.run_app(app(tokenizer, merger), host="127.0.0.1", port=options.port, print=None)


if __name__ == "__main__":
    main()
