"""Secrets are not written down, in whatever they are wrapped."""

import io
import json
import logging
import time
from urllib.parse import quote, quote_plus

import pytest

from observe.logs import JsonFormatter, action_of
from observe.redaction import REDACTED, conceal, conceal_credentials, conceal_password, redacted
from observe.vocabulary import clean

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
        f"https://example.org/?sessionToken={SECRET}",
        f"https://example.org/#page=2&id_token={SECRET}",
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


def test_a_password_with_a_sign_of_addresses_is_hidden_whole() -> None:
    assert redacted("https://user:p@ss@example.org/x and a@b") == f"https://{REDACTED}@example.org/x and a@b"


@pytest.mark.parametrize("text", ["://" * 600, "?" * 15_000, "a" * 20_000, "http://" + ":" * 20_000])
def test_what_a_stranger_made_up_keeps_nobody_busy(text: str) -> None:
    began_s = time.thread_time()
    assert redacted(text) == text
    action_of(text)
    clean(text)
    assert time.thread_time() - began_s < 2, "it takes milliseconds, and took many seconds"


def test_what_was_read_as_a_secret_is_hidden_wherever_it_stands() -> None:
    conceal(b"first-key-of-two\nsecond-key-of-two\n\nab\n")
    assert redacted("<first-key-of-two> and second-key-of-two, not ab") == f"<{REDACTED}> and {REDACTED}, not ab"


def test_a_secret_that_is_part_of_another_leaves_nothing_of_it() -> None:
    conceal("short-one")
    conceal("short-one-of-a-longer")
    assert redacted("short-one-of-a-longer, short-one") == f"{REDACTED}, {REDACTED}"


ODD = """p@ss/w"o\\rd's é"""


@pytest.mark.parametrize(
    "text",
    [
        ODD,
        quote(ODD),
        quote(ODD, safe=""),
        quote_plus(ODD).lower(),
        quote(quote(ODD)),
        json.dumps(ODD),
        json.dumps(ODD, ensure_ascii=False),
        repr(ODD),
        repr(ODD.encode()),
        repr(json.dumps([repr(ODD)])),
    ],
)
def test_a_secret_is_hidden_in_whatever_spelling(text: str) -> None:
    conceal(ODD)
    assert redacted(f"it is {text}!").strip("it s!'\"\\[]b") == REDACTED


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://sluice:known-by-address@db/sluice",
        "postgresql://sluice@db/sluice?password=known-by-address&sslmode=require",
        "redis://:known%2Dby%2Daddress@redis:6379/0",
    ],
)
def test_the_password_of_an_address_is_hidden_without_its_address(address: str) -> None:
    conceal_password(address)
    assert redacted("no entry for sluice with known-by-address") == f"no entry for sluice with {REDACTED}"


def test_what_no_address_is_and_a_name_for_a_password_conceal_nothing() -> None:
    conceal_password("http://[no-address")
    conceal_password("postgresql://postgres:postgres@db/postgres")
    assert redacted("postgres has no-address") == "postgres has no-address"


def test_what_libraries_read_by_themselves_is_hidden_too() -> None:
    conceal_credentials(
        {
            "OTEL_EXPORTER_OTLP_HEADERS": "x-team=blue,api-key=of%20a-vendor",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://us:of-an-endpoint@tempo",
            "AWS_SECRET_ACCESS_KEY": "of-a-bucket",
        }
    )
    said = redacted("blue, of a-vendor, of%20a-vendor, of-an-endpoint, of-a-bucket")
    assert said == f"blue, {REDACTED}, {REDACTED}, {REDACTED}, {REDACTED}"


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


def test_nothing_within_a_field_tells_it_by_name_or_value() -> None:
    conceal("hidden-in-a-field")
    record = logging.LogRecord("a", logging.INFO, "", 0, "said", (), None)
    record.detail = {"hidden-in-a-field": ["of hidden-in-a-field", {"deeper": ("hidden-in-a-field", 7)}]}
    said = json.loads(JsonFormatter("test").format(record))["detail"]
    assert said == {REDACTED: [f"of {REDACTED}", {"deeper": [REDACTED, 7]}]}


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
