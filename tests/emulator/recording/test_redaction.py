"""What is secret is not written down, wherever it is."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.recording.redaction import REDACTED, clean, is_secret, secrets_of


@pytest.mark.parametrize(
    "name",
    ["X-API-Key", "authorization", "Cookie", "set-cookie", "apiKey", "accessToken", "db.password", "client_secret",
     "x-auth-token", "TOKEN", "sessionId", "x-amz-signature"],
)  # fmt: skip
def test_names_that_say_so(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["max_tokens", "content-type", "key", "author", "idempotency-key", "tokenizer", "keyword"]
)
def test_names_that_only_look_so(name: str) -> None:
    assert not is_secret(name)


def test_headers_query_and_bodies_lose_their_secrets_and_keep_the_rest() -> None:
    headers = [("authorization", "Bearer abcdef123"), ("x-api-key", "slk_key1"), ("content-type", "application/json")]
    body = {"q": "words", "password": "hunter22", "deep": [{"apiKey": "k", "max_tokens": 5}], "token": 7}
    cleaned = clean("/a?q=1&access_token=zzz&b=", headers, json.dumps(body).encode(), ())
    assert cleaned.target == f"/a?q=1&access_token={REDACTED}&b="
    assert dict(cleaned.headers) == {
        "authorization": REDACTED, "x-api-key": REDACTED, "content-type": "application/json",
    }  # fmt: skip
    assert json.loads(cleaned.body) == {
        "q": "words", "password": REDACTED, "deep": [{"apiKey": REDACTED, "max_tokens": 5}], "token": 7,
    }  # fmt: skip
    assert set(cleaned.removed) == {
        "header authorization", "header x-api-key", "query access_token", "body $.password", "body $.deep[0].apiKey",
    }  # fmt: skip


def test_what_has_no_secret_stays_as_it_is_to_the_byte() -> None:
    body = b'{ "a" : 1.0,\n "b": "x" }'
    cleaned = clean("/p?a=%20b", [("content-type", "application/json")], body, (b"elsewhere",))
    assert (cleaned.target, cleaned.body, cleaned.removed) == ("/p?a=%20b", body, ())


def test_a_form_loses_its_secrets() -> None:
    headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")]
    cleaned = clean("/", headers, b"user=me&password=hunter22", ())
    assert cleaned.body == f"user=me&password={REDACTED}".encode()


@pytest.mark.parametrize(
    ("kind", "body", "cleaned"),
    [
        ("application/x-www-form-urlencoded", '{"password": "hunter22", "q": 1}', '{"password": "[redacted]", "q": 1}'),
        (
            "application/x-ndjson",
            '{"api_key": "k1", "a": 1}\n{"b": 2}\n',
            '{"api_key": [redacted], "a": 1}\n{"b": 2}\n',
        ),
        ("text/plain", "user: me\nclient_secret = s3 # x\n", "user: me\nclient_secret = [redacted] # x\n"),
        (
            "multipart/form-data; boundary=b",
            '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nhunter22\r\n--b--',
            '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n[redacted]\r\n--b--',
        ),
        ("text/plain", "a token is a word, and 1 = 1", "a token is a word, and 1 = 1"),
    ],
)
def test_bodies_are_read_for_what_they_are(kind: str, body: str, cleaned: str) -> None:
    assert clean("/", [("content-type", kind)], body.encode(), ()).body.decode() == cleaned


def test_an_event_keeps_what_it_is_known_by() -> None:
    binary = clean("/", [("ce-signature", "abc"), ("ce-token", "4"), ("ce-password", "p")], b"", ())
    assert dict(binary.headers) == {"ce-signature": "abc", "ce-token": "4", "ce-password": REDACTED}
    event = json.dumps({"signature": "abc", "token": "4", "data": {"token": "t"}}).encode()
    structured = clean("/", [("content-type", "application/cloudevents+json")], event, ())
    assert json.loads(structured.body) == {"signature": "abc", "token": "4", "data": {"token": REDACTED}}


def test_a_secret_of_a_header_is_one_everywhere() -> None:
    basic = base64.b64encode(b"admin:open sesame").decode()
    found = secrets_of([("authorization", f"Basic {basic}"), ("x-api-key", "slk_key1"), ("accept", "everything")])
    assert {b"open sesame", b"slk_key1", basic.encode()} <= found
    assert b"everything" not in found
    echoed = clean("/slk_key1", [("x-echo", "slk_key1")], b"you sent slk_key1, open sesame", found)
    assert (echoed.target, dict(echoed.headers)["x-echo"]) == (f"/{REDACTED}", REDACTED)
    assert echoed.body == f"you sent {REDACTED}, {REDACTED}".encode()


SECRET = st.text("abcdefghij0123456789", min_size=12, max_size=20)


@given(SECRET, st.binary(max_size=50), st.binary(max_size=50))
def test_a_known_secret_never_stays_in_a_body(secret: str, before: bytes, after: bytes) -> None:
    cleaned = clean("/", [], before + secret.encode() + after, [secret.encode()])
    assert secret.encode() not in cleaned.body


@given(st.binary(max_size=200), st.sampled_from(["application/json", "application/x-www-form-urlencoded", ""]))
def test_no_body_stops_it(body: bytes, kind: str) -> None:
    clean("/", [("content-type", kind)], body, ())
