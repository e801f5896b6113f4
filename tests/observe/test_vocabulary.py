"""The vocabulary is closed: our own words are those that the source documents fixed."""

import re

import pytest

from observe.vocabulary import NAMES, OWN, RESOURCE, VALUES, strangers
from tests import shared_data


def test_our_own_words_are_those_of_the_source_documents() -> None:
    section = shared_data.path("facts/domain.md").read_text().split("## 3.")[1].split("## 4.")[0]
    words = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)+|operation)`", section))
    assert OWN | (RESOURCE & words) == words


@pytest.mark.parametrize("attributes", [{"job.id": "1", "job.stage": "read"}, {"db.system.name": "redis"}, {}])
def test_what_is_in_it_is_no_stranger(attributes: dict[str, object]) -> None:
    assert strangers(attributes) == {}


@pytest.mark.parametrize("name", ["document.id", "jobid", "JOB.ID", "user.email"])
def test_other_names_are_strangers(name: str) -> None:
    assert strangers({name: "1", "job.id": "1"}) == {name: "1"}


@pytest.mark.parametrize("name", VALUES)
def test_other_values_are_strangers_where_the_list_is_closed(name: str) -> None:
    assert name in NAMES
    assert strangers({name: "else"}) == {name: "else"}
