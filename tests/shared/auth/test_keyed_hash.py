"""Keys and their keyed hashes."""

from shared.auth.cache import ExpiringCache
from shared.auth.keyed_hash import caller_hash, is_api_key, key_hash, new_api_key


def test_keys_are_long_random_and_recognisable() -> None:
    keys = {new_api_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("slk_") and len(key) >= 44 and is_api_key(key) for key in keys)


def test_hashes_depend_on_the_secret_and_on_what_is_hashed() -> None:
    hashes = {key_hash(b"a", "x"), key_hash(b"b", "x"), caller_hash(b"a", "x"), key_hash(b"a", "y")}
    assert len(hashes) == 4
    assert all(len(value) == 64 for value in hashes)
    assert key_hash(b"a", "x") == key_hash(b"a", "x")


def test_a_full_cache_lets_the_oldest_go() -> None:
    cache = ExpiringCache[int](ttl_s=10, limit=2, clock=lambda: 0.0)
    for n, key in enumerate("abac"):
        cache.put(key, n, asked_at=0.0)
    assert [cache.get(key) for key in "abc"] == [2, None, 3]
