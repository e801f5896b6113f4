"""Events are hints: with every tenth of them lost on the way, everything still ends well."""

import pytest

from tests.pipeline.books import check, index_of
from tests.pipeline.platform import platform
from tests.pipeline.troubled_broker import every_tenth_lost, troubled_broker
from tests.pipeline.world import Endpoint, Web

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_tenth_event_is_lost(model: Endpoint, site: Web) -> None:
    async with (
        troubled_broker(every_tenth_lost) as (broker, address),
        platform(EMBEDDING_API_BASE_URL=model.url, K_SINK=address, LEASE_SECONDS="4") as deaf,
    ):
        broker.port = deaf.port
        job_id = await deaf.submit(site.urls, "losses")
        await deaf.finish(job_id, 100)
        documents = await deaf.documents(job_id)
        assert [(one["url"], one["error_code"]) for one in documents if one["status"] != "indexed"] == []
        assert len(broker.lost) >= len(site.urls) // 3
        assert len(set(broker.lost)) >= 2, "of several kinds"
        await check(deaf, job_id)
        assert set(await index_of(deaf, "losses")) == {url.removeprefix(site.base) for url in site.urls}
