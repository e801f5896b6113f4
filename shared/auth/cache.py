"""A bounded cache whose entries end by age; the oldest go first when it is full."""

from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class ExpiringCache(Generic[V]):
    """`ttl_s` is the longest an answer is believed."""

    def __init__(self, *, ttl_s: float, limit: int, clock: Callable[[], float]) -> None:
        self._ttl_s = ttl_s
        self._limit = limit
        self._clock = clock
        self._entries: dict[str, tuple[float, V]] = {}

    def get(self, key: str) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires_at, value = entry
        if self._clock() < expires_at:
            return value
        del self._entries[key]
        return None

    def put(self, key: str, value: V, *, asked_at: float) -> None:
        """Age counts from when the question was asked: the answer may have been on its way for a while."""
        self._entries.pop(key, None)
        while len(self._entries) >= self._limit:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (asked_at + self._ttl_s, value)

    def discard(self, key: str) -> None:
        self._entries.pop(key, None)
