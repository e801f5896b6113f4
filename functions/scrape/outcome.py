"""From what was scraped to the event that says so."""

from typing import Protocol
from uuid import UUID

from functions.scrape.frames import Text
from functions.scrape.scraping import Scraped
from shared.contracts.documents import SitemapContent
from shared.contracts.payload import ObjectRef
from shared.contracts.stages import DocumentScraped, SitemapRead

_NOTHING = Text(text="")


class Claimed(Protocol):
    @property
    def job_id(self) -> UUID: ...
    @property
    def document_id(self) -> UUID: ...
    @property
    def token(self) -> int: ...


def document_scraped(claim: Claimed, scraped: Scraped, text: ObjectRef | None) -> DocumentScraped:
    """`text` is None when nothing changed. Validators that do not fit the contract are left out, never cut."""
    about = scraped.text or _NOTHING
    return DocumentScraped(
        job_id=claim.job_id,
        document_id=claim.document_id,
        token=claim.token,
        text=text,
        final_url=scraped.final_url,
        content_type=scraped.content_type,
        title=about.title,
        author=about.author,
        date=about.date,
        language=about.language,
        canonical_url=about.canonical,
        etag=_fitting(scraped.etag, 1000),
        last_modified=_fitting(scraped.last_modified, 100),
        fetched_at=scraped.fetched_at,
    )


def sitemap_read(claim: Claimed, content: SitemapContent, found: ObjectRef) -> SitemapRead:
    """`found` is where `content` is stored."""
    return SitemapRead(
        job_id=claim.job_id,
        document_id=claim.document_id,
        token=claim.token,
        found=found,
        pages=len(content.pages),
        sitemaps=len(content.sitemaps),
    )


def _fitting(value: str | None, limit: int) -> str | None:
    return value if value is not None and len(value) <= limit else None
