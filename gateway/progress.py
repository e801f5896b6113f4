"""How far a job is, how fast, and when it may be done."""

from datetime import datetime

from pydantic import BaseModel

from shared.store.reads import JobView

ENDED = ("indexed", "unchanged", "failed", "cancelled")


class Progress(BaseModel):
    """`rate_per_s` is documents a second since the job, or its last replay, began. Nothing ended yet: nobody knows."""

    ended: int
    fraction: float
    rate_per_s: float | None
    eta_s: float | None


def progress_of(view: JobView, now: datetime) -> Progress:
    ended = sum(view.counts.get(state, 0) for state in ENDED)
    seconds = ((view.ended_at or now) - view.rated_from).total_seconds()
    rate = (ended - view.rated_base) / seconds if seconds > 0 and ended > view.rated_base else None
    left = view.total - ended
    eta_s = left / rate if rate and view.ended_at is None else None
    return Progress(
        ended=ended,
        fraction=round(ended / view.total, 4) if view.total else 1.0,
        rate_per_s=None if rate is None else round(rate, 3),
        eta_s=None if eta_s is None else round(eta_s, 1),
    )
