"""What a caller hands in: a URL, many, or a sitemap. All of them good, or none accepted, unless it says otherwise."""

from collections.abc import Callable, Sequence
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.problems import FieldError, InvalidFields
from shared.contracts.jobs import CorpusName, SitemapOptions, Webhook
from shared.errors import InvalidInput

JOBS = "/api/orchestrator/jobs"
MAX_URLS = 10_000


class Sitemap(SitemapOptions):
    """A sitemap, or an index of sitemaps, plain or gzipped, in XML or one URL a line."""

    url: Annotated[str, Field(max_length=2048)]

    def options(self) -> SitemapOptions:
        return SitemapOptions(limit=self.limit, include=self.include, exclude=self.exclude)


class Submission(BaseModel):
    """URLs to index, as `url`, `urls` or those of a `sitemap`, into a corpus that is made when it is new.

    With `skip_invalid` the URLs that are not acceptable are named and left out; otherwise one of them refuses all.
    `webhook` hears of the job's end.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"urls": ["https://example.org/guide"], "corpus": "handbook"},
                {"sitemap": {"url": "https://example.org/sitemap.xml", "include": ["/docs/*"], "limit": 500}},
            ]
        },
    )

    url: str | None = None
    urls: Annotated[list[str] | None, Field(min_length=1, max_length=MAX_URLS)] = None
    sitemap: Sitemap | None = None
    corpus: CorpusName = "default"
    skip_invalid: Annotated[bool, Field(strict=True)] = False
    webhook: Webhook | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.url is not None) + (self.urls is not None) + (self.sitemap is not None) != 1:
            raise ValueError("give either url or urls, or a sitemap")
        return self

    def entries(self) -> tuple[tuple[str, str], ...]:
        """(field, url) of every URL given."""
        if self.sitemap is not None:
            return (("sitemap.url", self.sitemap.url),)
        if self.url is not None:
            return (("url", self.url),)
        return tuple((f"urls[{index}]", url) for index, url in enumerate(self.urls or ()))


def distinct_urls(
    entries: Sequence[tuple[str, str]], normalise: Callable[[str], str], *, skip_invalid: bool = False
) -> tuple[list[str], list[FieldError]]:
    """Normalised, duplicates merged, in order; and what was left out.

    Raises `InvalidFields` naming every URL that is no good, when none is to be left out or none would remain.
    """
    urls: dict[str, None] = {}
    errors = []
    for field, raw in entries:
        try:
            urls[normalise(raw)] = None
        except InvalidInput as error:
            errors.append(FieldError(field, error.code, error.message))
    if not errors or (skip_invalid and urls):
        return list(urls), errors
    if len(errors) == 1:
        raise InvalidFields(errors[0].code, f"{errors[0].field}: {errors[0].message}", errors)
    raise InvalidFields("urls_invalid", f"{len(errors)} of {len(entries)} URLs are not acceptable", errors)
