"""URL lists and dead letters."""

import json
from uuid import uuid4

import pytest

from functions.orchestrator.core import read_urls, undelivered
from shared.contracts.payload import ObjectRef
from shared.contracts.stages import ChunkRequested, PipelineTick
from shared.errors import InvalidInput


def test_urls_are_read_in_order() -> None:
    assert read_urls(b'["https://a.org/", "https://b.org/"]', 2) == ["https://a.org/", "https://b.org/"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"null", b'["https://a.org/"]', b"[1, 2]", b'["", "x"]', json.dumps(["x" * 2049] * 2).encode()],
)
def test_a_list_that_is_not_as_announced_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="not what the submission says"):
        read_urls(content, 2)


def test_an_undelivered_request_for_chunks_is_a_failed_try_of_its_document() -> None:
    asked = ChunkRequested(
        job_id=uuid4(),
        document_id=uuid4(),
        token=3,
        corpus_id=uuid4(),
        text=ObjectRef(key="k", sha256="0" * 64, size_bytes=1),
        max_tokens=250,
        overlap_tokens=50,
    )
    failure = undelivered(asked)
    assert failure is not None
    assert (failure.document_id, failure.token, failure.kind) == (asked.document_id, 3, "transient")
    assert undelivered(PipelineTick()) is None
