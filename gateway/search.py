"""The search route: forwarded to the search function with the caller's own key."""

from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.resources import ApiKey, Caller, Opened
from shared.contracts.jobs import CorpusName
from shared.errors import Unavailable
from shared.events.strict_json import canonical


class SearchRequest(BaseModel):
    """A question to a corpus. `filter` narrows the pages that may answer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"query": "how do leases expire?", "corpus": "handbook", "k": 5}]},
    )

    query: Annotated[str, Field(min_length=1, max_length=8000)]
    corpus: CorpusName = "default"
    k: Annotated[int, Field(ge=1, le=100, strict=True)] = 10
    filter: dict[str, Any] | None = None

    @field_validator("filter")
    @classmethod
    def _can_be_sent_on(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Python reads more than JSON can say: NaN, and halves of characters."""
        try:
            canonical(value)
        except (ValueError, RecursionError):
            raise ValueError("holds what is no JSON, or is nested too deeply") from None
        return value


class SearchResult(BaseModel):
    """A passage: the code points `[start, end)` of its page's text."""

    model_config = ConfigDict(extra="allow")

    url: str
    title: str | None
    score: float
    text: str
    ordinal: int
    start: int
    end: int


class SearchResults(BaseModel):
    """Exactly min(k, matching) passages, the nearest first."""

    results: list[SearchResult]


async def search(
    body: SearchRequest, request: Request, resources: Opened, _caller: Caller, api_key: ApiKey
) -> SearchResults:
    """The passages nearest to a question."""
    answer = await resources.functions.call(
        "search",
        body.model_dump(exclude_none=True),
        api_key=api_key or "",
        request_id=request.state.request_id,
        timeout_s=resources.settings.sync_timeout_s,
    )
    try:
        return SearchResults.model_validate(answer)
    except ValueError as exc:
        raise Unavailable("search_unavailable", "search gave an answer nobody can read", retry_after_s=5) from exc
