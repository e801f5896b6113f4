"""What lies in the object store between the stages."""

from typing import Annotated

from pydantic import Field

from shared.contracts.payload import Contract, Sha256


class ChunkSpan(Contract):
    """A slice of the text: code points `[start, end)`, with its length in tokens."""

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    tokens: Annotated[int, Field(ge=0)]


class ChunkList(Contract):
    """The spans of one text, in order. `chunker` names algorithm, sizes and tokenizer: same name, same spans."""

    text_sha256: Sha256
    chunker: str
    spans: tuple[ChunkSpan, ...]


class SitemapContent(Contract):
    """What a sitemap lists, normalised and distinct: pages that the job wants, and further sitemaps."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()
