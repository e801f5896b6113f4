"""The same work without a platform: one process, one page after another, the same libraries with the same settings.

What somebody would write in an afternoon: no robots.txt, no pacing, no retries, no isolation, no state. Reads an order
as JSON from standard input and prints the wall and CPU seconds of the loop; imports and connections are not counted.
"""

import asyncio
import json
import sys
import time
from array import array
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import asyncpg
import httpx
import trafilatura
from openai import OpenAI
from trafilatura.settings import Document

from functions.chunk.spans import Sizes
from functions.chunk.tokens import Chunker
from functions.scrape.extraction import from_html
from functions.scrape.frames import Text
from shared.errors import Permanent
from shared.model_files import tokenizer_file
from shared.settings import Environment

SCHEMA = """
DROP SCHEMA IF EXISTS straight CASCADE;
CREATE SCHEMA straight;
CREATE TABLE straight.pages (url text PRIMARY KEY, title text, author text, date text, language text, sha256 text);
CREATE TABLE straight.chunks (
    url text REFERENCES straight.pages, ordinal int, start_at int, end_at int, tokens int, text text, embedding vector,
    PRIMARY KEY (url, ordinal)
);
"""
PAGE = "INSERT INTO straight.pages VALUES ($1, $2, $3, $4, $5, $6)"
CHUNK = "INSERT INTO straight.chunks VALUES ($1, $2, $3, $4, $5, $6, $7::text::vector)"
SIZES = Sizes(250, 50)


@dataclass(frozen=True)
class Script:
    """The loop's tools."""

    web: httpx.Client
    model: OpenAI
    model_name: str
    database: "asyncpg.Connection[asyncpg.Record]"
    chunker: Chunker
    folder: Path
    read: Callable[[str, str], Text | None]

    async def index(self, url: str) -> int:
        """The number of chunks; 0 for a page without text."""
        page = self.read(self.web.get(url).text, url)
        if page is None:
            return 0
        text = page.text
        digest = sha256(text.encode()).hexdigest()
        (self.folder / digest).write_text(text)
        spans = self.chunker.chunk(text, SIZES)
        pieces = [text[span.start : span.end] for span in spans]
        vectors = self._embed(pieces)
        async with self.database.transaction():
            await self.database.execute(PAGE, url, page.title, page.author, page.date, page.language, digest)
            rows = [
                (url, number, span.start, span.end, span.tokens, piece, vector)
                for number, (span, piece, vector) in enumerate(zip(spans, pieces, vectors, strict=True))
            ]
            await self.database.executemany(CHUNK, rows)
        return len(spans)

    def _embed(self, pieces: list[str]) -> list[str]:
        answer = self.model.embeddings.create(model=self.model_name, input=pieces, encoding_format="base64")
        return [str(list(array("f", b64decode(str(item.embedding))))) for item in answer.data]


def by_trafilatura(html: str, url: str) -> Text | None:
    page = trafilatura.bare_extraction(html, url=url, include_comments=False, with_metadata=True)
    if not isinstance(page, Document) or not page.text:
        return None
    return Text(page.text, page.title, page.author, page.date, page.language)


def by_own_reader(html: str, url: str) -> Text | None:
    try:
        return from_html(html, url)
    except Permanent:
        return None


READERS = {"trafilatura": by_trafilatura, "own": by_own_reader}


async def main() -> None:
    order = json.load(sys.stdin)
    database = await asyncpg.connect(order["database_url"])
    await database.execute(SCHEMA)
    model = OpenAI(base_url=order["embedding_api_base_url"], api_key="none")
    folder = Path(order["text_folder"])
    web, chunker = httpx.Client(follow_redirects=True), Chunker.open(tokenizer_file(Environment({})))
    script = Script(web, model, order["model"], database, chunker, folder, READERS[order["reader"]])
    wall, cpu = time.perf_counter(), time.process_time()
    chunks = [await script.index(url) for url in order["urls"]]
    report = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "chunks": sum(chunks)}
    print(json.dumps(report))
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
