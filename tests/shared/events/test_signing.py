"""A signature survives what hops do to an event, and nothing else."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput, Unauthenticated
from shared.events.codec import STRUCTURED, decode, encode_binary, encode_structured
from shared.events.event import CloudEvent
from shared.events.signing import Signer

OLD, NEW, FOREIGN = b"old-key-0123456789", b"new-key-0123456789", b"foreign-0123456789"
EVENT = CloudEvent(
    id="1",
    source="/functions/chunk",
    type="dev.sluice.document.chunked.v1",
    data={"count": 2, "ratio": 1.0, "title": "é"},
    subject="doc",
    time="2026-11-21T01:42:27.300Z",
    extensions={"jobid": "j", "token": "3", "traceparent": "00-aa-bb-01"},
)
SIGNED = Signer([OLD]).sign(EVENT)


def code_of(signer: Signer, event: CloudEvent) -> str:
    with pytest.raises(Unauthenticated) as refused:
        signer.verify(event)
    return refused.value.code


def test_survives_both_encodings() -> None:
    headers, body = encode_binary(SIGNED)
    Signer([OLD]).verify(decode(dict(headers), body))
    Signer([OLD]).verify(decode({"content-type": STRUCTURED}, encode_structured(SIGNED)))


def test_survives_a_broker_that_rewrites_and_adds() -> None:
    arrived = replace(
        SIGNED,
        time="2026-11-21T02:42:27.3+01:00",
        data=json.loads('{"title":"\\u00e9","ratio":1,"count":2.0}'),
        extensions=SIGNED.extensions | {"knativearrivaltime": "2026-11-21T01:42:28Z", "knativeerrorcode": "500"},
    )
    Signer([OLD]).verify(arrived)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "2"},
        {"source": "/functions/embed"},
        {"type": "dev.sluice.document.embedded.v1"},
        {"subject": "other"},
        {"subject": None},
        {"time": "2026-11-21T01:42:27.301Z"},
        {"time": None},
        {"data": {"count": 3, "ratio": 1.0, "title": "é"}},
        {"data": None},
    ],
    ids=str,
)
def test_any_change_breaks_it(changed: dict[str, object]) -> None:
    assert code_of(Signer([OLD]), replace(SIGNED, **changed)) == "event_signature_invalid"  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["jobid", "token", "traceparent"])
def test_our_extensions_are_covered(name: str) -> None:
    changed = replace(SIGNED, extensions=SIGNED.extensions | {name: "9"})
    removed = replace(SIGNED, extensions={k: v for k, v in SIGNED.extensions.items() if k != name})
    assert code_of(Signer([OLD]), changed) == code_of(Signer([OLD]), removed) == "event_signature_invalid"


def test_an_event_without_a_signature_is_told_apart() -> None:
    assert code_of(Signer([OLD]), EVENT) == "event_unsigned"
    assert code_of(Signer([OLD]), replace(SIGNED, extensions=EVENT.extensions | {"signature": ""})) == "event_unsigned"
    assert code_of(Signer([OLD]), replace(SIGNED, extensions={"signature": "ü"})) == "event_signature_invalid"


def test_two_keys_hold_while_rotating() -> None:
    rotating = Signer.from_secret(NEW + b"\r\n" + OLD + b"\n\n")
    rotating.verify(SIGNED)
    Signer([NEW]).verify(rotating.sign(EVENT))
    assert code_of(Signer([OLD]), rotating.sign(EVENT)) == "event_signature_invalid"
    assert code_of(Signer([FOREIGN]), SIGNED) == "event_signature_invalid"


def test_signing_again_replaces() -> None:
    assert Signer([OLD]).sign(SIGNED) == SIGNED


@pytest.mark.parametrize("secret", [b"", b"\n", b"short", NEW + b"\nshort"])
def test_weak_secrets_are_refused(secret: bytes) -> None:
    with pytest.raises(InvalidInput, match="event-signing-key"):
        Signer.from_secret(secret)


@given(st.text("-\n1a", max_size=6), st.text("-\n1a", max_size=6), st.text("-\n1a", max_size=6))
def test_no_two_events_share_a_message(first: str, second: str, third: str) -> None:
    moved = replace(EVENT, id=first + second, source=third)
    event = replace(EVENT, id=first, source=second + third)
    if moved != event:
        assert Signer([OLD]).sign(moved).extensions != Signer([OLD]).sign(event).extensions
