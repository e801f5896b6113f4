"""Compares, now and then, what the vector index found with what an exact scan finds. Nobody waits for it."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from observe import metrics
from shared.errors import SluiceError
from shared.store.search import SearchableCorpus, SearchFilter, SearchHit, exact_search
from shared.store.store import Store

log = logging.getLogger(__name__)

_RATIO: Final = metrics.histogram(
    "sluice_search_recall_ratio",
    "Of the passages that an exact scan finds, those that were answered.",
    "operation",
    bounds=(0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 1.0),
)
_PROBES: Final = metrics.counter(
    "sluice_search_recall_probes_total", "Exact scans made for the comparison.", "operation", "outcome"
)

# The scan reads every vector of the corpus: one a minute at most, and none for longer than this.
EVERY_S: Final = 60.0
PATIENCE_S: Final = 2.0
# Scores of the same vectors may differ in their last digits.
_SAME: Final = 1e-6


def recall(found: Sequence[SearchHit], exact: Sequence[SearchHit]) -> float:
    """Passages as near as the last of the exact ones are as good as those, whichever they are."""
    if not exact:
        return 1.0
    near_enough = sum(hit.score >= exact[-1].score - _SAME for hit in found[: len(exact)])
    return near_enough / len(exact)


class RecallProbe:
    """`sample`: of how many questions, 0 to 1. `async with` ends what is under way."""

    def __init__(
        self,
        store: Store,
        sample: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._sample = sample
        self._clock = clock
        self._dice = dice
        self._next = clock()
        self._probe: asyncio.Task[None] | None = None

    def offer(
        self,
        corpus: SearchableCorpus,
        vector: Sequence[float],
        matching: SearchFilter,
        found: Sequence[SearchHit],
    ) -> None:
        """A question and its answer. Most are let pass."""
        if not corpus.indexed or not found or self._clock() < self._next or self._dice() >= self._sample:
            return
        self._next = self._clock() + EVERY_S
        self._probe = asyncio.create_task(self._compare(corpus, vector, matching, found), name="recall probe")

    async def _compare(
        self,
        corpus: SearchableCorpus,
        vector: Sequence[float],
        matching: SearchFilter,
        found: Sequence[SearchHit],
    ) -> None:
        try:
            exact = await exact_search(self._store, corpus, vector, len(found), matching, timeout_s=PATIENCE_S)
        except SluiceError as exc:
            log.info("recall not measured: %s", exc.message, extra={"code": exc.code})
            _PROBES.inc("read", "failed")
        else:
            _PROBES.inc("read", "too_slow" if exact is None else "measured")
            if exact is not None:
                _RATIO.observe(recall(found, exact), "read")

    async def __aenter__(self) -> "RecallProbe":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
