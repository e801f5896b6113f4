"""What the worker and the parser process say to each other: a JSON head and a body, each with its length before it."""

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any, Literal

from functions.scrape.core import Form
from functions.scrape.sitemaps import Sitemap
from shared.errors import Permanent, StageFailure, Transient
from shared.tally import Tally

LENGTHS = struct.Struct("!II")
# Lengths of an answer's head and body, the processor seconds that it took and the bytes that the page unpacked to.
ANSWER = struct.Struct("!IIdQ")


@dataclass(frozen=True, slots=True)
class Page:
    """A body as it came over the wire, and what is needed to read it. Its `meta` elements may call us by `agent`."""

    url: str | None
    form: Form | Literal["sitemap"]
    content_type: str | None
    content_encoding: str | None
    body: bytes
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """What was read. `text` is never empty.

    `canonical` is the address that the page gives itself; `robots` what it asks of crawlers, a line an element.
    """

    text: str
    title: str | None = None
    author: str | None = None
    date: str | None = None
    language: str | None = None
    canonical: str | None = None
    robots: str | None = None


def page_frame(page: Page) -> bytes:
    head = json.dumps([page.url, page.form, page.content_type, page.content_encoding, page.agent]).encode()
    return LENGTHS.pack(len(head), len(page.body)) + head + page.body


def read_page(head: bytes, body: bytes) -> Page:
    url, form, content_type, content_encoding, agent = json.loads(head)
    return Page(url, form, content_type, content_encoding, body, agent)


@dataclass(frozen=True, slots=True)
class Answer:
    """`head` is a failure, `body` what was read: one of them is empty."""

    head: bytes
    body: bytes
    cpu_s: float
    decoded_bytes: int

    def fields(self) -> dict[str, Any]:
        """Raises the failure that it carries."""
        if self.head:
            retryable, code, message = json.loads(self.head)
            raise (Transient if retryable else Permanent)(code, message)
        fields: dict[str, Any] = json.loads(self.body)
        return fields


def answer_frame(answer: Text | Sitemap | StageFailure, tally: Tally) -> bytes:
    head, body = b"", b""
    if isinstance(answer, StageFailure):
        head = json.dumps([answer.retryable, answer.code, answer.message]).encode()
    else:
        body = json.dumps(asdict(answer), ensure_ascii=False).encode()
    return ANSWER.pack(len(head), len(body), tally.cpu_s, tally.decoded_bytes) + head + body


def sitemap_of(fields: dict[str, Any]) -> Sitemap:
    return Sitemap(tuple(fields["pages"]), tuple(fields["sitemaps"]), fields["truncated"])
