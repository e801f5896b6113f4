"""What other systems do: hand in a sitemap, hear how it ended, and take a part of the work themselves."""

import base64
import gzip
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.fakes.site import Page, article
from tests.local_http import asgi, serving
from tests.pipeline.books import by_path, check, index_of
from tests.pipeline.conftest import WORKER_KEY
from tests.pipeline.platform import Platform, eventually_async
from tests.pipeline.world import Web, web

pytestmark = pytest.mark.asyncio(loop_scope="session")

JOBS = "/api/orchestrator/jobs"
Heard = list[tuple[dict[str, str], bytes]]


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, Heard]]:
    heard: Heard = []

    async def hear(request: Request) -> Response:
        heard.append((dict(request.headers), await request.body()))
        return Response(status_code=204)

    async with serving(asgi(hear)) as base:
        yield f"{base}/hook", heard


def list_pages(site: Web) -> None:
    """An index of one gzipped sitemap, which lists all pages that there are."""
    pages = "".join(f"<url><loc>{url}</loc></url>" for url in site.urls)
    part = f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{pages}</urlset>'
    index = f"<sitemapindex><sitemap><loc>{site.url('/part.xml.gz')}</loc></sitemap></sitemapindex>"
    site.site.pages["/part.xml.gz"] = Page(gzip.compress(part.encode()), "application/gzip")
    site.site.pages["/sitemap.xml"] = Page(index.encode(), "application/xml")


async def test_a_sitemap_ends_indexed_and_its_end_is_told_once_and_signed(calm: Platform) -> None:
    pages = {
        f"/{kind}/{n}": article(f"{kind} {n}", f"The {n}th of the {kind} says little. " * 9)
        for kind in ("docs", "blog")
        for n in range(3)
    }
    async with web(pages) as site, listening() as (hook, heard):
        list_pages(site)
        sitemap = {"url": site.url("/sitemap.xml"), "include": ["/docs/*"], "limit": 2}
        body = {"sitemap": sitemap, "corpus": "listed", "webhook": {"url": hook}}
        job_id = (await calm.call("POST", JOBS, body))["job_id"]
        job = await calm.finish(job_id)
        assert job["status"] == "completed"
        assert set(await index_of(calm, "listed")) == {"/docs/0", "/docs/1"}

        async def told() -> bool:
            return bool(heard)

        await eventually_async(told, 15)
        [(headers, said)] = heard
        event = json.loads(said)
        assert (event["type"], event["data"]["job_id"]) == ("dev.sluice.job.completed.v1", job_id)
        secret = (await calm.call("GET", "/api/webhooks/secret"))["secret"]
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + said
        assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()


async def test_a_worker_outside_reports_for_a_document(calm: Platform) -> None:
    async with web({"/held": article("Held"), "/other": article("Other")}) as site:
        site.dam.close()
        job_id = await calm.submit([site.url("/held"), site.url("/other")], "outside")
        held = by_path(await calm.documents(job_id))["/held"]

        async def claimed() -> int | None:
            rows = await calm.rows(
                "SELECT token FROM documents WHERE id = $1 AND state = 'scraping'", held["document_id"]
            )
            return int(rows[0]["token"]) if rows else None

        token = await eventually_async(claimed, 20)
        report = {"document_id": held["document_id"], "token": token, "stage": "scraping", "status": "failed"}
        path = f"http://127.0.0.1:{calm.port}{JOBS}/{job_id}/complete"
        async with aiohttp.ClientSession(headers={"X-API-Key": WORKER_KEY}) as session:
            for _ in range(2):
                async with session.post(path, json=report | {"error_code": "http_410"}) as answer:
                    assert (answer.status, (await answer.json())["status"]) == (200, "failed")
        assert (await calm.ask("POST", f"{JOBS}/{job_id}/complete", report | {"error_code": "http_410"}))[0] == 403
        await site.dam.open()
        assert (await calm.finish(job_id))["status"] == "completed_with_errors"
        documents = by_path(await calm.documents(job_id))
        assert {name: (one["status"], one["error_code"]) for name, one in documents.items()} == {
            "/held": ("failed", "http_410"),
            "/other": ("indexed", None),
        }
        await check(calm, job_id)
