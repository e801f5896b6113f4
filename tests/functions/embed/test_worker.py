"""The worker process from wake-up to signed events, with everything around it real."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from functions.embed.handler import open_desk, wake_workers
from functions.embed.settings import BatchSettings, default_model, read_wake
from shared.auth.membership import Membership, MembershipSettings
from shared.contracts.stages import DocumentEmbedded, EmbedRequested
from shared.events.codec import decode
from shared.events.event import CloudEvent
from shared.events.signing import Signer
from shared.objects import ObjectStore
from shared.settings import Environment
from shared.store.store import Store
from tests.fakes.embeddings import FakeEmbeddings
from tests.functions.embed.world import DIMENSION, add_chunked, variables
from tests.local_http import asgi, closed_port, serving, until
from tests.processes import running_module

KEY = b"k" * 32


async def test_an_event_wakes_the_worker_and_every_document_comes_back_signed(
    store: Store, database: str, redis_url: str, tmp_path: Path
) -> None:
    received: list[CloudEvent] = []

    async def broker(request: Request) -> Response:
        received.append(decode(request.headers, await request.body()))
        return Response(status_code=202)

    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/event-signing-key").write_bytes(KEY)
    documents = await add_chunked(store, ObjectStore.open(f"file://{tmp_path}/objects", {}), ["first", "second"])
    async with FakeEmbeddings(DIMENSION).serving() as endpoint, serving(asgi(broker)) as url:
        env = variables(database, tmp_path, endpoint, REDIS_URL=redis_url, BROKER_URL=url, PORT=str(closed_port()))
        settings = Environment(env)
        asked = CloudEvent("e", "/functions/orchestrator", EmbedRequested.event_type)
        async with open_desk(
            read_wake(settings),
            BatchSettings.read(settings),
            default_model(settings),
            Membership(MembershipSettings("http://127.0.0.1:1", b"unused")),
        ) as function:
            await wake_workers(EmbedRequested(reason="advanced"), function, asked)
        with running_module("functions.embed.worker", env) as process:
            await until(lambda: len(received) == 2, timeout_s=30)
            process.terminate()
            assert process.wait(10) == 0
    for event in received:
        Signer([KEY]).verify(event)
    assert {event.subject for event in received} == {str(document) for document in documents}
    assert {event.type for event in received} == {DocumentEmbedded.event_type}
