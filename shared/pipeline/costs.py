"""What a report adds to the cost of its document, whatever becomes of the document."""

from dataclasses import dataclass

from shared.contracts.costs import Spent, StageReport
from shared.contracts.stages import (
    DocumentChunked,
    DocumentEmbedded,
    DocumentScraped,
    FailedStage,
    SitemapRead,
    StageFailed,
)

_NOTHING = Spent()


@dataclass(frozen=True, slots=True)
class Cost:
    """What was done, added up. `text_bytes` were stored; `chunks` and `indexed_tokens` went into the index."""

    attempts: int = 0
    fetched_bytes: int = 0
    decoded_bytes: int = 0
    text_bytes: int = 0
    chunks: int = 0
    indexed_tokens: int = 0
    embedded_tokens: int = 0
    embed_requests: float = 0.0
    scrape_cpu_s: float = 0.0
    chunk_cpu_s: float = 0.0
    embed_cpu_s: float = 0.0


def cost_of(report: StageReport) -> Cost:
    """Of one try that was reported."""
    match report:
        case DocumentScraped():
            return _cost("scraping", report.spent, text_bytes=report.text.size_bytes if report.text else 0)
        case SitemapRead():
            return _cost("scraping", report.spent)
        case DocumentChunked():
            return _cost("chunking", report.spent)
        case DocumentEmbedded():
            return _cost("embedding", report.spent, chunks=report.chunks, indexed_tokens=report.tokens)
        case StageFailed():
            return _cost(report.stage, report.spent)
        case _:
            raise TypeError(f"{type(report).__name__} is no stage's report")


def cost_of_release(stage: FailedStage, spent: Spent | None) -> Cost | None:
    """Of a try that was broken off: what it took counts, the try does not. None when it took nothing."""
    return None if spent in (None, _NOTHING) else _cost(stage, spent, attempts=0)


def _cost(
    stage: FailedStage,
    spent: Spent | None,
    *,
    attempts: int = 1,
    text_bytes: int = 0,
    chunks: int = 0,
    indexed_tokens: int = 0,
) -> Cost:
    took = spent or _NOTHING
    return Cost(
        attempts=attempts,
        fetched_bytes=took.fetched_bytes,
        decoded_bytes=took.decoded_bytes,
        text_bytes=text_bytes,
        chunks=chunks,
        indexed_tokens=indexed_tokens,
        embedded_tokens=took.embedded_tokens,
        embed_requests=took.embed_requests,
        scrape_cpu_s=took.cpu_s if stage == "scraping" else 0.0,
        chunk_cpu_s=took.cpu_s if stage == "chunking" else 0.0,
        embed_cpu_s=took.cpu_s if stage == "embedding" else 0.0,
    )
