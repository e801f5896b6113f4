"""Who is one of our own services."""

import hashlib

import pytest

from shared.auth.internal import InternalCallers
from shared.errors import InvalidInput
from shared.settings import Environment

KEY = "slk_of-the-orchestrator"
SHA256 = hashlib.sha256(KEY.encode()).hexdigest()


@pytest.mark.parametrize("text", ["a1,b2", " a1 , b2 ,", '["a1", "b2"]', "a1 b2"])
def test_ids_are_a_list_in_any_usual_form(text: str) -> None:
    assert InternalCallers.read(Environment({"INTERNAL_CALLER_IDS": text})).caller_ids == {"a1", "b2"}


def test_nothing_given_means_nobody() -> None:
    nobody = InternalCallers.read(Environment({}))
    assert nobody.caller_ids == frozenset()
    assert not nobody.owns_key("")
    assert not nobody.owns_key(KEY)


def test_a_key_is_known_by_its_hash() -> None:
    internal = InternalCallers.read(Environment({"ORCHESTRATOR_KEY_HASH": SHA256.upper()}))
    assert internal.owns_key(KEY)
    assert not internal.owns_key(KEY + "x")
    assert not internal.owns_key(SHA256)


def test_a_hash_that_is_none_is_refused_at_start() -> None:
    with pytest.raises(InvalidInput, match="64 hexadecimal") as refused:
        InternalCallers.read(Environment({"ORCHESTRATOR_KEY_HASH": "not-a-hash"}))
    assert refused.value.field == "ORCHESTRATOR_KEY_HASH"
