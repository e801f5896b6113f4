"""Payload to event and back; what does not fit is refused by the name of its field."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from shared.contracts.envelope import from_event, to_event
from shared.contracts.payload import ObjectRef
from shared.contracts.stages import DocumentChunked, DocumentScraped, PipelineTick, StageFailed
from shared.errors import InvalidInput
from shared.events.event import CloudEvent, Json

NOW = datetime(2026, 11, 21, 1, 42, 27, 300_000, tzinfo=UTC)
REF = ObjectRef(key="corpora/c/chunks/x", sha256="0" * 64, size_bytes=3)
CHUNKED = DocumentChunked(
    job_id=UUID(int=1), document_id=UUID(int=2), token=3, chunks=REF, count=1, tokens=9, chunker="window"
)
CAUSE = CloudEvent(id="cause", source="/functions/x", type="t", extensions={"traceparent": "00-aa-bb-01"})


def event(cause: CloudEvent | None = CAUSE) -> CloudEvent:
    return to_event(CHUNKED, source="/functions/chunk", cause=cause, time=NOW)


def test_a_payload_comes_back_from_its_event() -> None:
    assert from_event(event()) == CHUNKED


def test_the_envelope_says_what_it_is() -> None:
    made = event()
    assert (made.type, made.subject, made.time) == (CHUNKED.event_type, str(UUID(int=2)), "2026-11-21T01:42:27.3Z")
    assert made.dataschema == "urn:sluice:schema:document.chunked.v1"
    assert made.extensions == {"jobid": str(UUID(int=1)), "token": "3", "traceparent": "00-aa-bb-01"}


def test_a_payload_without_a_text_comes_back() -> None:
    unchanged = DocumentScraped(
        job_id=UUID(int=1), document_id=UUID(int=2), token=3, text=None, final_url="https://x/", fetched_at=NOW
    )
    assert from_event(to_event(unchanged, source="/s", cause=None, time=NOW)) == unchanged


def test_the_id_follows_from_the_cause() -> None:
    assert event().id == event().id
    assert event().id != event(replace(CAUSE, id="other")).id
    assert event().id != event(replace(CAUSE, source="/other")).id
    assert event(None).id != event(None).id
    assert to_event(PipelineTick(), source="/s", cause=None, time=NOW, id="mine").id == "mine"


def changed(**data: object) -> CloudEvent:
    made = event().data
    assert isinstance(made, dict)
    return replace(event(), data=json.loads(json.dumps(made | data)))


def missing(name: str) -> CloudEvent:
    made = event().data
    assert isinstance(made, dict)
    return replace(event(), data={key: value for key, value in made.items() if key != name})


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (missing("count"), "data.count"),
        (changed(count="1"), "data.count"),
        (changed(count=-1), "data.count"),
        (changed(document_id="no-uuid-secret"), "data.document_id"),
        (changed(chunks={"key": "k", "sha256": "secret", "size_bytes": 1}), "data.chunks.sha256"),
        (changed(secret="secret"), "data"),
        (changed(chunks=[]), "data.chunks"),
        (replace(event(), data="secret"), "data"),
        (replace(event(), data=None), "data.job_id"),
        (replace(event(), extensions={"jobid": "secret", "token": "3"}), "jobid"),
        (replace(event(), extensions={"jobid": str(UUID(int=1))}), "token"),
        (replace(event(), subject="secret"), "subject"),
        (replace(event(), dataschema="urn:secret"), "dataschema"),
        (replace(event(), type="dev.sluice.document.chunked.v9"), "type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_names_the_field_and_echoes_nothing(wrong: CloudEvent, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        from_event(wrong)
    assert refused.value.field == field
    assert "secret" not in refused.value.message + refused.value.code


def test_a_tick_needs_neither_data_nor_extensions() -> None:
    tick = CloudEvent(id="1", source="/apis/v1/namespaces/sluice/pingsources/tick", type=PipelineTick.event_type)
    assert from_event(tick) == PipelineTick()


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        to_event(CHUNKED, source="/s", cause=None, time=NOW.replace(tzinfo=None))


def test_an_event_of_a_version_that_counted_nothing_is_read() -> None:
    """And one that counts more than there can be is not."""
    ids = {"job_id": str(uuid4()), "document_id": str(uuid4())}
    failure = {"stage": "scraping", "kind": "permanent", "code": "http_404", "message": "the page is gone"}
    data: dict[str, Json] = {**ids, "token": 1, **failure}
    event = CloudEvent(
        id="e",
        source="/functions/scrape",
        type=StageFailed.event_type,
        subject=ids["document_id"],
        extensions={"jobid": ids["job_id"], "token": "1"},
        data=data,
    )
    old = from_event(event)
    assert isinstance(old, StageFailed)
    assert old.spent is None
    impossible: list[dict[str, Json]] = [
        {"fetched_bytes": -1},
        {"fetched_bytes": 2**60},
        {"cpu_s": "1"},
        {"anything": 1},
    ]
    for spent in impossible:
        forged = replace(event, data={**data, "spent": spent})
        with pytest.raises(InvalidInput):
            from_event(forged)
