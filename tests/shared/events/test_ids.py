"""Derived ids repeat themselves and nothing else."""

from uuid import UUID

from shared.events.ids import derived_id


def test_the_same_cause_and_parts_give_the_same_id() -> None:
    assert derived_id("cause", "type", "subject", 3) == derived_id("cause", "type", "subject", 3)
    assert UUID(derived_id("cause")).version == 5


def test_parts_do_not_run_into_one_another() -> None:
    ids = [
        derived_id("a", "bc"),
        derived_id("ab", "c"),
        derived_id("a", "b", "c"),
        derived_id("a", None),
        derived_id("a"),
    ]
    assert len(set(ids)) == len(ids)
