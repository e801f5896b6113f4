"""The same promises over a folder and over S3."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from shared.contracts.payload import ObjectRef
from shared.errors import InvalidInput, Permanent, Transient, Unavailable
from shared.objects import ObjectStore
from tests.local_http import closed_port

CORPUS = uuid4()


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    _make_bucket(endpoint)
    yield keys | {"AWS_ENDPOINT_URL": endpoint}
    server.stop()


def _make_bucket(endpoint: str) -> None:
    import httpx

    httpx.put(f"{endpoint}/bucket", headers={"Authorization": "AWS4-HMAC-SHA256 Credential=test/0/us-east-1/s3/aws4"})


@pytest.fixture(params=["file", "s3"])
async def objects(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    if request.param == "file":
        yield ObjectStore.open(f"file://{tmp_path}/with%20blank", {})
    else:
        yield ObjectStore.open(f"s3://bucket/{uuid4()}", request.getfixturevalue("s3"))


async def test_content_comes_back_as_it_was_put(objects: ObjectStore) -> None:
    ref = await objects.put(CORPUS, "text", b"some text \x00 \xff")
    assert ref.key == f"corpora/{CORPUS}/text/{ref.sha256}"
    assert (ref.sha256, ref.size_bytes) == (hashlib.sha256(b"some text \x00 \xff").hexdigest(), 13)
    assert await objects.get(ref) == b"some text \x00 \xff"


async def test_the_same_content_put_at_once_is_one_object(objects: ObjectStore) -> None:
    refs = await asyncio.gather(*(objects.put(CORPUS, "text", b"same" * 10_000) for _ in range(20)))
    assert len({ref.key for ref in refs}) == 1
    assert [key async for key in objects.list(f"corpora/{CORPUS}/text/")] == [refs[0].key]
    assert await objects.get(refs[0]) == b"same" * 10_000


async def test_what_was_deleted_is_missing_and_may_be_deleted_again(objects: ObjectStore) -> None:
    gone, kept = await objects.put(CORPUS, "text", b"gone"), await objects.put(CORPUS, "chunks", b"kept")
    await objects.delete([gone.key])
    await objects.delete([gone.key])
    with pytest.raises(Permanent) as missing:
        await objects.get(gone)
    assert missing.value.code == "object_missing"
    assert [key async for key in objects.list()] == [kept.key]


async def test_it_knows_what_is_old_and_where(objects: ObjectStore) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    ref, urls = await objects.put(CORPUS, "text", b"text"), await objects.put(uuid4(), "urls", b"[]")
    later = datetime.now(UTC) + timedelta(minutes=1)
    stored_at = await objects.stored_at(ref.key)
    assert stored_at is not None
    assert before < stored_at < later
    assert [key async for key in objects.older(f"corpora/{CORPUS}/text/", later)] == [ref.key]
    assert [key async for key in objects.older(f"corpora/{CORPUS}/text/", before)] == []
    assert {str(corpus) for corpus in await objects.corpora()} == {str(CORPUS), urls.key.split("/")[1]}
    await objects.delete([ref.key])
    assert await objects.stored_at(ref.key) is None


async def test_content_that_is_not_what_was_written_is_refused(objects: ObjectStore) -> None:
    ref = await objects.put(CORPUS, "text", b"original")
    with pytest.raises(Transient) as corrupt:
        await objects.get(ref.model_copy(update={"sha256": "0" * 64}))
    assert corrupt.value.code == "object_corrupt"


@pytest.mark.parametrize("key", ["../../etc/passwd", "corpora/../../x/" + "0" * 64, "corpora/a/b", "/etc/passwd", "x"])
async def test_keys_cannot_leave_the_store(objects: ObjectStore, key: str) -> None:
    with pytest.raises(InvalidInput):
        await objects.get(ObjectRef(key=key, sha256="0" * 64, size_bytes=0))
    with pytest.raises(InvalidInput):
        await objects.delete([key])
    with pytest.raises(InvalidInput):
        await objects.put("..", "text", b"")
    with pytest.raises(InvalidInput):
        [entry async for entry in objects.list("../")]


async def test_a_store_that_does_not_answer_says_so() -> None:
    env = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{closed_port()}",
    }
    objects = ObjectStore.open("s3://bucket", env)
    with pytest.raises(Unavailable):
        await objects.put(CORPUS, "text", b"x")


@pytest.mark.parametrize("url", ["", "folder", "http://example.com", "s3://", "file://"])
def test_an_address_of_no_store_is_named(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ObjectStore.open(url, {})
    assert refused.value.field == "OBJECT_STORE_URL"
