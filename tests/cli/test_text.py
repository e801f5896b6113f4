"""Text from elsewhere, on its way to a terminal."""

import json

import pytest

from cli.text import clean, json_line

HOSTILE = ["\x1b[2J", "\x9b2J", "\r", "\n", "\x7f", "\u202e", "\u2028", "\ufeff"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_is_for_people_is_one_line_that_says_nothing_to_a_terminal(hostile: str) -> None:
    said = clean(f"Grüße{hostile}!")
    assert said.isprintable()
    assert said.startswith("Grüße")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_is_for_programs_comes_back_whole_and_says_nothing_to_a_terminal(hostile: str) -> None:
    said = json_line({"url": f"Grüße{hostile}!"})
    assert said.isprintable()
    assert "Grüße" in said
    assert json.loads(said) == {"url": f"Grüße{hostile}!"}
