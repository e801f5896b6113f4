"""Secrets are not written down, in whatever they are wrapped."""

import io
import json
import logging

import pytest

from observe.logs import JsonFormatter, action_of
from observe.redaction import REDACTED, conceal, redacted

SECRET = "correct-horse/battery+staple"


@pytest.mark.parametrize(
    "text",
    [
        f"could not connect to postgresql://sluice:{SECRET}@db:5432/sluice",
        f"redis://:{SECRET}@redis:6379/0 does not answer",
        f"https://user:{SECRET}@example.org/page",
        f"Authorization: Bearer {SECRET}",
        f"authorization=Basic {SECRET}",
        f"{{'Authorization': 'Bearer {SECRET}'}}",
        f'{{"X-API-Key": "{SECRET}"}}',
        f"[(b'x-api-key', b'{SECRET}')]",
        f"X-API-Key: {SECRET}",
        f"EMBEDDING_API_KEY={SECRET}",
        f"password={SECRET}",
        f"GET https://example.org/?page=2&api_key={SECRET}&lang=en",
        f"https://bucket.example.org/o?X-Amz-Signature={SECRET}",
        f"key slk_{SECRET.replace('/', '').replace('+', '')} refused",
        f"whsec_{SECRET}",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    assert SECRET[8:] not in redacted(text)
    assert REDACTED in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "claim failed, will try again",
        "https://example.org/monkey?page=2&lang=en#keys",
        "event not published: the receiver answered 503",
        "no free port between 20000 and 32000",
        "mailto:somebody@example.org",
        "the key is not known",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert redacted(text) == text


def test_what_was_read_as_a_secret_is_hidden_wherever_it_stands() -> None:
    conceal(b"first-key-of-two\nsecond-key-of-two\n\nab\n")
    assert redacted("<first-key-of-two> and second-key-of-two, not ab") == f"<{REDACTED}> and {REDACTED}, not ab"


def test_no_part_of_a_line_tells_it() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("test"))
    logger = logging.getLogger("library.of.somebody")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        raise ConnectionError(f"postgresql://sluice:{SECRET}@db/sluice")
    except ConnectionError:
        logger.exception("lost %s", f"redis://:{SECRET}@redis", extra={"detail": f"Authorization: Bearer {SECRET}"})
    line = json.loads(stream.getvalue())
    assert SECRET not in stream.getvalue()
    assert (line["action"], line["message"]) == ("lost", f"lost redis://{REDACTED}@redis")
    assert REDACTED in line["stack"]
    assert REDACTED in line["detail"]


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("event not published: %s", "event_not_published"),
        ("%s: %s; next start in %.2f s", "next_start_in_s"),
        ("Retrying in 2.5 seconds", "retrying_in_seconds"),
        ("cannot start: %s", "cannot_start"),
    ],
)
def test_an_action_is_the_same_whatever_it_happened_to(message: str, action: str) -> None:
    assert action_of(message) == action
