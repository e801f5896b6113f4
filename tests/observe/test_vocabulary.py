"""The vocabulary is closed: our own words are those that the source documents fixed."""

import re

import pytest

from observe.vocabulary import NAMES, OWN, RESOURCE, VALUES, clean, strangers
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


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://user:password@e.example/", "https://e.example/"),
        ("https://user:p@ss@e.example/x@y", "https://e.example/x@y"),
        ("https://e.example/?page=2&api_key=abc&lang=en", "https://e.example/?page=2&api_key=REDACTED&lang=en"),
        ("https://e.example/?accessToken=abc", "https://e.example/?accessToken=REDACTED"),
        ("https://e.example/#id_token=abc&x=1", "https://e.example/#id_token=REDACTED&x=1"),
        ("https://e.example/?monkey=1&passage=2&bypass=3", "https://e.example/?monkey=1&passage=2&bypass=3"),
    ],
)
def test_an_address_is_told_without_its_secrets(url: str, told: str) -> None:
    assert clean(url) == told
