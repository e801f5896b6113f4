"""The codec is as strict as a broker's ingress, and the SDK reads what it writes."""

import json
from dataclasses import replace

import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent as SdkEvent
from cloudevents.http import from_http
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput, TooLarge
from shared.events.codec import BATCH, STRUCTURED, decode, decode_batch, encode_binary, encode_structured, is_event
from shared.events.event import MAX_EVENT_BYTES, CloudEvent
from tests import shared_data

BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "content-type": "application/json"}
ENVELOPE = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
EVENT = CloudEvent(
    id="1",
    source="/functions/chunk",
    type="dev.sluice.document.chunked.v1",
    data={"n": [None, True, 1.5, "é"]},
    subject='doc "1" 100%',
    time="2026-11-21T01:42:27.3Z",
    dataschema="urn:sluice:schema:document.chunked.v1",
    extensions={"jobid": "j", "token": "3"},
)


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in BINARY.items() if key != f"ce-{name}"}


def structured(charset: str = "", **changes: object) -> tuple[dict[str, str], bytes]:
    return {"content-type": STRUCTURED + charset}, json.dumps(ENVELOPE | changes).encode()


INGRESS = {
    "valid binary": (BINARY, b"{}"),
    "valid structured": structured(data={}),
    "structured charset": structured("; charset=utf-8", data={}),
    "batch": ({"content-type": BATCH}, json.dumps([ENVELOPE]).encode()),
    "plain json, no ce": ({"content-type": "application/json"}, b'{"type": "t", "source": "/s"}'),
    "missing id": (without("id"), b"{}"),
    "missing type": (without("type"), b"{}"),
    "missing source": (without("source"), b"{}"),
    "missing specversion": (without("specversion"), b"{}"),
    "specversion 9000.1": (BINARY | {"ce-specversion": "9000.1"}, b"{}"),
    "bad structured json": ({"content-type": STRUCTURED}, b"{"),
    "bad ce-time": (BINARY | {"ce-time": "yesterday"}, b"{}"),
    "uppercase extension": (BINARY | {"ce-MyExt": "v"}, b"{}"),
    "extension with underscore": (BINARY | {"ce-my_ext": "v"}, b"{}"),
    "empty body no content-type": ({k: v for k, v in BINARY.items() if k != "content-type"}, b""),
}


def ingress_statuses() -> dict[str, int]:
    recorded = shared_data.path("golden/knative/ingress_status.txt").read_text().splitlines()
    return {name.strip(): int(rest[:4]) for name, found, rest in (x.partition("->") for x in recorded) if found}


@pytest.mark.parametrize("case", INGRESS)
def test_takes_and_refuses_what_the_ingress_of_a_real_broker_does(case: str) -> None:
    headers, body = INGRESS[case]
    if ingress_statuses()[case] == 202:
        assert decode(headers, body).type == "t"
    else:
        with pytest.raises(InvalidInput):
            decode(headers, body)


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (BINARY | {"ce-specversion": "0.3"}, b"{}", "event_specversion"),
        (BINARY, b"not json", "data_not_json"),
        (BINARY, b'{"a": NaN}', "data_not_json"),
        (BINARY, b'{"a": 1e999}', "data_not_json"),
        (BINARY, b'{"a": 1, "a": 2}', "data_not_json"),
        (BINARY, b'"\\ud800"', "data_not_json"),
        (BINARY, b"[" * 30_000, "data_not_json"),
        (BINARY, '{"a": "ä"}'.encode("utf-16"), "data_not_json"),
        (BINARY | {"content-type": "text/plain"}, b"hello", "event_content_type"),
        (BINARY | {"content-type": "application/json; charset=latin-1"}, b"{}", "event_charset"),
        (BINARY | {"ce-id": ""}, b"{}", "event_attribute_invalid"),
        (BINARY | {"ce-source": "no spaces allowed"}, b"{}", "event_attribute_invalid"),
        (BINARY | {"ce-dataschema": "relative"}, b"{}", "event_attribute_invalid"),
        (BINARY | {"ce-time": "2026-02-30T00:00:00Z"}, b"{}", "event_attribute_invalid"),
        (BINARY | {"ce-subject": "%00"}, b"{}", "event_attribute_invalid"),
        (BINARY | {"ce-subject": "%ff"}, b"{}", "event_attribute_invalid"),
        (BINARY | {"ce-datacontenttype": "application/json"}, b"{}", "event_attribute_name"),
        ({"content-type": BATCH}, b"[]", "event_batch"),
        ({"content-type": "application/cloudevents+xml"}, b"<event/>", "event_format"),
        (*structured(data_base64="AA=="), "event_content_type"),
        (*structured(datacontenttype="text/plain", data="x"), "event_content_type"),
        (*structured(myExt="upper case"), "event_attribute_name"),
        (*structured(ext=1.5), "event_attribute_invalid"),
        (*structured(subject=["list"]), "event_attribute_invalid"),
        ({"content-type": STRUCTURED}, b"[]", "event_not_json"),
        ({"content-type": STRUCTURED}, b"\xff", "event_not_json"),
    ],
)
def test_refuses_with_a_code_and_without_an_echo(headers: dict[str, str], body: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        decode(headers, body)
    assert refused.value.code == code
    assert "upper" not in refused.value.message


def test_a_header_of_the_event_given_twice_is_refused() -> None:
    raw = [(name.encode(), value.encode()) for name, value in BINARY.items()]
    with pytest.raises(InvalidInput, match="twice"):
        decode([*raw, (b"CE-Type", b"other")], b"{}")


def test_headers_of_no_concern_may_hold_any_bytes_and_repeat() -> None:
    raw = [(name.encode(), value.encode()) for name, value in BINARY.items()]
    assert decode([*raw, (b"x-note", b"\xff"), (b"x-note", b"\xfe")], b"{}").id == "1"


def test_the_content_type_decides_the_mode() -> None:
    headers, body = structured(type="inner")
    assert decode(headers | {"ce-type": "outer", "ce-id": "9"}, body).type == "inner"


def test_quoted_header_values_are_unquoted() -> None:
    assert decode(BINARY | {"ce-subject": r'"a \"b\" c"'}, b"{}").subject == 'a "b" c'


def test_integers_and_booleans_become_their_text() -> None:
    headers, body = structured(count=3, flag=True, absent=None)
    assert decode(headers, body).extensions == {"count": "3", "flag": "true"}


@pytest.mark.parametrize("name", ["jobid", "id"])
def test_encoding_is_as_strict_as_decoding(name: str) -> None:
    with pytest.raises(InvalidInput):
        encode_structured(replace(EVENT, extensions={name: "\x00"}))


def test_an_event_ends_at_64_kib() -> None:
    headers, body = structured(data="")
    largest = body[:-2] + b"x" * (MAX_EVENT_BYTES - len(body)) + body[-2:]
    assert decode(headers, largest).type == "t"
    with pytest.raises(TooLarge):
        decode(headers, largest[:-2] + b"x" + largest[-2:])
    with pytest.raises(TooLarge):
        decode(BINARY | {"ce-big": "x" * MAX_EVENT_BYTES}, b"{}")
    for encode in (encode_binary, encode_structured):
        with pytest.raises(TooLarge):
            encode(replace(EVENT, data="x" * MAX_EVENT_BYTES))


def test_a_batch_is_read_where_it_is_accepted() -> None:
    assert [event.id for event in decode_batch(json.dumps([ENVELOPE, ENVELOPE | {"id": "2"}]).encode())] == ["1", "2"]
    with pytest.raises(InvalidInput):
        decode_batch(json.dumps(ENVELOPE).encode())
    with pytest.raises(TooLarge):
        decode_batch(json.dumps([ENVELOPE | {"data": "x" * MAX_EVENT_BYTES}]).encode())


@pytest.mark.parametrize(
    ("headers", "means_event"),
    [
        ({"ce-type": "t"}, True),
        ({"content-type": "Application/CloudEvents+json"}, True),
        ({"content-type": BATCH}, True),
        ({"content-type": "application/json"}, False),
        ({}, False),
    ],
)
def test_knows_what_means_to_be_an_event(headers: dict[str, str], means_event: bool) -> None:
    assert is_event(headers) is means_event


def test_the_sdk_reads_what_we_write() -> None:
    headers, body = encode_binary(EVENT)
    for theirs in (from_http(dict(headers), body), from_http({"content-type": STRUCTURED}, encode_structured(EVENT))):
        assert theirs.data == EVENT.data
        assert {name: theirs[name] for name in ("id", "source", "type", "jobid", "token")} == {
            "id": EVENT.id,
            "source": EVENT.source,
            "type": EVENT.type,
            "jobid": "j",
            "token": "3",
        }


def test_we_read_what_the_sdk_writes() -> None:
    attributes = {"type": "t", "source": "/s", "subject": "doc-1", "datacontenttype": "application/json", "jobid": "j"}
    theirs = SdkEvent(attributes, {"n": 3})
    for headers, body in (to_binary(theirs), to_structured(theirs)):
        ours = decode({name.lower(): value for name, value in headers.items()}, body)
        assert (ours.id, ours.data, ours.subject, ours.extensions) == (theirs["id"], {"n": 3}, "doc-1", {"jobid": "j"})


text = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@given(id_=text, subject=st.none() | text, note=text, data=json_values)
def test_both_modes_bring_back_the_event(id_: str, subject: str | None, note: str, data: object) -> None:
    event = CloudEvent(id=id_, source="/s", type="t", subject=subject, data=data, extensions={"note": note})  # type: ignore[arg-type]
    headers, body = encode_binary(event)
    assert decode([(name.encode("ascii"), value.encode("ascii")) for name, value in headers], body) == event
    assert decode({"content-type": STRUCTURED}, encode_structured(event)) == event
