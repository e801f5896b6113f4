"""What must be true of a platform's memory once its jobs have ended, whatever happened on the way."""

from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from tests.pipeline.platform import Platform

FINAL = frozenset({"indexed", "unchanged", "failed", "cancelled"})


class Chunk(NamedTuple):
    ordinal: int
    start: int
    end: int
    tokens: int
    text: str


Index: TypeAlias = dict[str, list[Chunk]]


async def index_of(platform: Platform, corpus: str) -> Index:
    """Path of the page → its chunks in order."""
    rows = await platform.rows(
        """SELECT p.url, c.ordinal, c.start_at, c.end_at, c.tokens, c.text
        FROM corpora k JOIN pages p ON p.corpus_id = k.id LEFT JOIN chunks c ON c.page_id = p.id AND c.model = p.model
        WHERE k.name = $1 ORDER BY p.url, c.ordinal""",
        corpus,
    )
    index: Index = {}
    for url, *chunk in rows:
        index.setdefault(urlsplit(url).path, []).append(Chunk(*chunk))
    return index


async def check(platform: Platform, job_id: str) -> None:
    """Documents are final and counted right; no chunk of their pages is missing, doubled or left from before."""
    states = {row["state"]: row["n"] for row in await platform.rows(_STATES, job_id)}
    assert set(states) <= FINAL, states
    counted = {row["state"]: row["n"] for row in await platform.rows(_COUNTED, job_id)}
    assert counted == states, "progress adds up"
    assert not await platform.rows(_LEASED, job_id)
    assert not [dict(row) for row in await platform.rows(_WRONG_PAGES, job_id)]
    assert not await platform.rows(_HOMELESS)


async def check_nothing_went_wrong(platform: Platform, job_id: str) -> None:
    """Nobody died, asked twice, or needed the sweeper's help, and the brokers gave up on nothing."""
    assert not [dict(row) for row in await platform.rows("SELECT * FROM dead_letters")]
    assert not [dict(row) for row in await platform.rows(_TROUBLE, job_id)]
    assert not [dict(row) for row in await platform.rows(_HICCUPS, job_id)]
    assert not list(platform.complaints())


def by_path(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {urlsplit(document["url"]).path: document for document in documents}


_STATES = "SELECT state, count(*) AS n FROM documents WHERE job_id = $1 GROUP BY state"
_COUNTED = "SELECT state, sum(n) AS n FROM job_deltas WHERE job_id = $1 GROUP BY state HAVING sum(n) <> 0"
_LEASED = "SELECT 1 FROM documents WHERE job_id = $1 AND (lease_until IS NOT NULL OR ended_at IS NULL)"
_WRONG_PAGES = """
SELECT d.url, d.state, d.chunks, p.chunks AS expected, count(c.*) AS found, min(c.ordinal), max(c.ordinal)
FROM documents d LEFT JOIN pages p ON p.corpus_id = d.corpus_id AND p.url = d.url
LEFT JOIN chunks c ON c.page_id = p.id
WHERE d.job_id = $1 AND d.state IN ('indexed', 'unchanged')
GROUP BY d.id, p.id
HAVING p.id IS NULL OR count(c.*) <> p.chunks OR count(DISTINCT c.ordinal) <> p.chunks
OR d.chunks <> p.chunks OR count(DISTINCT c.model) > 1
OR (p.chunks > 0 AND (min(c.ordinal) <> 0 OR max(c.ordinal) <> p.chunks - 1))"""
_HOMELESS = "SELECT 1 FROM chunks c WHERE NOT EXISTS (SELECT 1 FROM pages p WHERE p.id = c.page_id)"
_TROUBLE = "SELECT stage, kind, code, message FROM failures WHERE job_id = $1 AND kind <> 'permanent'"
_HICCUPS = "SELECT url, state, attempt, deaths, nudges FROM documents WHERE job_id = $1 AND deaths + nudges > 0"
