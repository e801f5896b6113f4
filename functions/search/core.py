"""Reads a search request. Values in, values out."""

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.errors import InvalidInput
from shared.events.event import Json
from shared.store.search import SearchFilter, SearchHit

MAX_QUERY_CHARS = 8000
MAX_K = 100
DEFAULT_K = 10
DEFAULT_CORPUS = "default"
_TEXT_FILTERS = ("url_prefix", "language", "title_contains")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """`k` passages of a corpus, the nearest to `query` among those that match."""

    query: str
    corpus: str
    k: int
    matching: SearchFilter


def read_request(body: Json) -> SearchRequest:
    """Raises `InvalidInput`, which names the field at fault."""
    if not isinstance(body, dict):
        raise InvalidInput("body_invalid", 'send {"query": "…", "corpus": "…"}')
    if unknown := body.keys() - {"query", "corpus", "k", "filter"}:
        raise InvalidInput("field_unknown", "there is a field that search does not know", field=min(unknown)[:64])
    return SearchRequest(
        query=_text(body.get("query"), "query", MAX_QUERY_CHARS),
        corpus=_text(body.get("corpus", DEFAULT_CORPUS), "corpus", 64),
        k=_k(body.get("k", DEFAULT_K)),
        matching=_filter(body.get("filter")),
    )


def results_of(hits: list[SearchHit]) -> Json:
    """The answer's shape."""
    return {
        "results": [
            {
                "url": hit.url,
                "title": hit.title,
                "score": round(hit.score, 6),
                "text": hit.text,
                "ordinal": hit.ordinal,
                "start": hit.start,
                "end": hit.end,
            }
            for hit in hits
        ]
    }


def _text(value: Json, field: str, longest: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{field.rpartition('.')[2]}_missing", f"{field} must be a text", field=field)
    if len(value) > longest:
        raise InvalidInput("text_too_long", f"{field} may have at most {longest} characters", field=field)
    if "\0" in value:
        raise InvalidInput("text_invalid", f"{field} holds a null character", field=field)
    return value


def _k(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_K:
        raise InvalidInput("k_invalid", f"k must be a whole number from 1 to {MAX_K}", field="k")
    return value


def _filter(value: Json) -> SearchFilter:
    if value is None:
        return SearchFilter()
    if not isinstance(value, dict) or value.keys() - {*_TEXT_FILTERS, "since"}:
        known = ", ".join((*_TEXT_FILTERS, "since"))
        raise InvalidInput("filter_invalid", f"a filter knows {known}", field="filter")
    texts = {name: _text(value[name], f"filter.{name}", 2000) for name in _TEXT_FILTERS if value.get(name) is not None}
    return SearchFilter(**texts, since=_moment(value.get("since")))


def _moment(value: Json) -> datetime | None:
    """A date, or a date and time; without a zone it is UTC."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None:
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput("since_invalid", "since must be an ISO 8601 date or time", field="filter.since")
