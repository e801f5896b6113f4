"""What is counted of batches."""

from typing import Final

from observe import metrics

_RATIOS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

_FILL: Final = metrics.histogram(
    "sluice_embedding_batch_fill_ratio", "Tokens of a batch over the most that it may hold.", bounds=_RATIOS
)
_TEXTS: Final = metrics.histogram(
    "sluice_embedding_batch_texts", "Texts of a batch.", bounds=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
_WAIT: Final = metrics.histogram(
    "sluice_embedding_batch_wait_seconds", "How long a batch's first text waited for it to leave."
)
_PAUSED: Final = metrics.counter(
    "sluice_embedding_paused_seconds_total", "Time that batches waited because the endpoint asked for a pause."
)


def batch_leaves(texts: int, tokens: int, most_tokens: int, waited_s: float) -> None:
    _TEXTS.observe(texts)
    _FILL.observe(tokens / most_tokens)
    _WAIT.observe(waited_s)


def batch_pauses(seconds: float) -> None:
    _PAUSED.inc(by=seconds)
