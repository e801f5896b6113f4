"""An honest OpenAI-compatible embeddings server whose answers follow from the texts alone, and which can misbehave.

`python -m tests.fakes.embeddings --port N [--dimension D]` serves it by itself, for benchmarks; `POST /mode` with
`{"mode": "429", "times": 3}` changes its mood.
"""

import argparse
import asyncio
import base64
import hashlib
import json
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from tests.local_http import asgi, serving

MODES = (
    "ok", "float", "slow", "429", "413", "400", "401", "404", "500", "nonsense", "not-json", "wrong-dimension",
    "wrong-count", "wrong-index", "wrong-model", "nan", "zero", "shuffled",
)  # fmt: skip


def vector_of(text: str, dimension: int) -> "array[float]":
    """Equal texts, equal vectors; texts that differ have nothing in common."""
    return array("f", array("b", hashlib.shake_128(text.encode()).digest(dimension)))


@dataclass
class FakeEmbeddings:
    """`times` is how many answers a mode lasts, then it is `ok` again. `poison` sets the mode for a word in a text."""

    dimension: int = 384
    model: str = "all-MiniLM-L6-v2"
    mode: str = "ok"
    times: int | None = None
    retry_after: str = "1"
    slow_s: float = 30.0
    max_texts: int | None = None
    max_chars: int | None = None
    poison: dict[str, str] = field(default_factory=dict)
    batches: list[list[str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    delay_s: float = 0.0

    def app(self) -> ASGIApp:
        return asgi(self._route)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Yields the base URL."""
        async with serving(self.app()) as url:
            yield f"{url}/v1"

    async def _route(self, request: Request) -> Response:
        if request.url.path.endswith("/embeddings"):
            return await self._embeddings(request)
        if request.url.path == "/mode":
            wanted = await request.json()
            self.mode, self.times = wanted["mode"], wanted.get("times")
        return Response(status_code=204 if request.url.path == "/mode" else 404)

    async def _embeddings(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        self.batches.append(texts)
        self.keys.append(request.headers.get("authorization", ""))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answer(texts, asked["model"], asked.get("encoding_format"))
        finally:
            self.in_flight -= 1

    async def _answer(self, texts: list[str], model: str, encoding: str | None) -> Response:
        mode = self._mood(texts)
        if self.delay_s or mode == "slow":
            await asyncio.sleep(self.slow_s if mode == "slow" else self.delay_s)
        if mode.isdigit():
            headers = {"Retry-After": self.retry_after} if mode == "429" else None
            return Response('{"error": {"message": "no"}}', int(mode), headers, "application/json")
        if mode == "not-json":
            return Response("<html>", media_type="text/html")
        body: Any = {"oops": []} if mode == "nonsense" else self._body(texts, model, mode, encoding)
        return Response(json.dumps(body), media_type="application/json")

    def _mood(self, texts: list[str]) -> str:
        if self.max_texts is not None and len(texts) > self.max_texts:
            return "413"
        if self.max_chars is not None and max(map(len, texts)) > self.max_chars:
            return "413"
        for word, mode in self.poison.items():
            if any(word in text for text in texts):
                return mode
        mode = self.mode
        if self.times is not None:
            self.times -= 1
            if self.times <= 0:
                self.mode, self.times = "ok", None
        return mode

    def _body(self, texts: list[str], model: str, mode: str, encoding: str | None) -> dict[str, object]:
        dimension = self.dimension + (mode == "wrong-dimension")
        items: list[dict[str, object]] = [
            {"object": "embedding", "index": n, "embedding": self._encoded(text, dimension, mode, encoding)}
            for n, text in enumerate(texts)
        ]
        if mode == "wrong-count":
            items.pop()
        if mode == "wrong-index":
            items[0]["index"] = 99
        if mode == "shuffled":
            items.reverse()
        name = "another" if mode == "wrong-model" else model
        return {"object": "list", "model": name, "data": items, "usage": {"prompt_tokens": 1, "total_tokens": 1}}

    def _encoded(self, text: str, dimension: int, mode: str, encoding: str | None) -> object:
        vector = vector_of(text, dimension)
        if mode == "nan":
            vector[0] = float("nan")
        if mode == "zero":
            vector = array("f", bytes(4 * dimension))
        plain = mode == "float" or encoding != "base64"
        return vector.tolist() if plain else base64.b64encode(vector.tobytes()).decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    args = parser.parse_args()
    fake = FakeEmbeddings(dimension=args.dimension, delay_s=args.delay_ms / 1000)
    uvicorn.run(fake.app(), host="127.0.0.1", port=args.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
