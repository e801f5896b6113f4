"""When an asynchronous call is tried again, by the annotations of its function."""

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.openfaas.limits import duration_s

PREFIX = "com.openfaas.retry."
CODES = frozenset((408, 429, 500, 502, 504))


@dataclass(frozen=True)
class RetryPolicy:
    """The defaults are those of the real queue worker. `attempts` counts the first one too."""

    attempts: int = 10
    codes: frozenset[int] = CODES
    min_wait_s: float = 10.0
    max_wait_s: float = 120.0

    def wait_s(self, status: int, made: int, *, of_platform: bool) -> float | None:
        """Until the next attempt; None: that was the last. `of_platform`: not the function gave this answer."""
        failed = status in self.codes or (of_platform and status >= 400)
        if not failed or made >= self.attempts:
            return None
        return float(min(self.max_wait_s, self.min_wait_s * 2 ** min(made - 1, 30)))


def read_policy(annotations: Mapping[str, str]) -> RetryPolicy | None:
    """None without any of the annotations. A value that means nothing is taken as not set, as the real one does."""
    given = {name.removeprefix(PREFIX): value for name, value in annotations.items() if name.startswith(PREFIX)}
    if not given:
        return None
    usual = RetryPolicy()
    shortest, longest = (duration_s(given.get(name, "")) for name in ("min_wait", "max_wait"))
    return RetryPolicy(
        attempts=max(1, _number(given.get("attempts", ""), usual.attempts)),
        codes=_codes(given.get("codes", "")) or usual.codes,
        min_wait_s=usual.min_wait_s if shortest is None else shortest,
        max_wait_s=usual.max_wait_s if longest is None else longest,
    )


def _number(text: str, usual: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else usual


def _codes(text: str) -> frozenset[int]:
    words = [word.strip() for word in text.split(",")]
    return frozenset(int(word) for word in words) if all(len(w) == 3 and w.isdecimal() for w in words) else frozenset()
