"""What must be true once the troubles are over, seen from the outside and by `sluice verify`."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis.asyncio

from tests.faults.scene import Scene
from tests.pipeline.books import FINAL, Index, check, index_of
from tests.pipeline.platform import Platform

CODE = re.compile(r"[a-z][a-z0-9_]+")


async def all_hold(scene: Scene, jobs: dict[str, str], reference: Index) -> list[str]:
    """The names of what was checked. `jobs` are ids and their corpora; each has ended."""
    for job_id, corpus in jobs.items():
        await _documents_ended_well(scene, job_id, corpus, reference)
        await check(scene.platform, job_id)
    _each_completion_was_told_under_one_id(scene, jobs)
    code, said = await scene.platform.sluice("verify", "--deep")
    assert code == 0, said
    await no_secret_leaked(scene)
    return ["final states", "counters", "indexed is the whole text", "completions", "verify", "secrets"]


async def _documents_ended_well(scene: Scene, job_id: str, corpus: str, reference: Index) -> None:
    documents = await scene.platform.documents(job_id)
    assert len({document["url"] for document in documents}) == len(documents)
    index = await index_of(scene.platform, corpus)
    for document in documents:
        assert document["status"] in FINAL, document
        path = urlsplit(document["url"]).path
        if document["status"] in ("indexed", "unchanged"):
            assert index[path] == reference[path], f"{path} is not what an undisturbed run gave"
        if document["status"] == "failed":
            _failed_with_reason(document)


def _failed_with_reason(document: dict[str, Any]) -> None:
    assert CODE.fullmatch(document["error_code"] or ""), document
    assert len(document["error_message"] or "") > 10, document


def _each_completion_was_told_under_one_id(scene: Scene, jobs: dict[str, str]) -> None:
    told: dict[str, set[str]] = defaultdict(set)
    for event in scene.broker.taken:
        if event.type == "dev.sluice.job.completed.v1" and event.subject in jobs:
            told[event.subject].add(event.id)
    assert {job: len(ids) for job, ids in told.items()} == dict.fromkeys(jobs, 1)


async def no_secret_leaked(scene: Scene) -> None:
    """Neither keys nor secrets are in a log, in Redis, in an event or in a table."""
    platform = scene.platform
    secrets = {path.read_text().strip().encode() for path in _secret_files(platform)}
    secrets = {secret for secret in secrets if len(secret) > 8}
    assert len(secrets) >= 3
    places = {"events": repr(scene.broker.taken).encode()}
    places |= {log.name: log.read_bytes() for log in (platform.folder / "logs").glob("*.log*")}
    places["redis"] = await _everything_in_redis(platform)
    places |= await _everything_in_tables(platform)
    assert not [where for where, content in places.items() if any(secret in content for secret in secrets)]


def _secret_files(platform: Platform) -> list[Path]:
    return [platform.folder / "api-key", *(platform.folder / "secrets").iterdir()]


async def _everything_in_redis(platform: Platform) -> bytes:
    socket = (platform.folder / "run" / "sockets" / "redis.sock").resolve()
    client = redis.asyncio.Redis(unix_socket_path=str(socket))
    try:
        return b"".join([key + (await client.dump(key) or b"") async for key in client.scan_iter()])
    finally:
        await client.aclose()


async def _everything_in_tables(platform: Platform) -> dict[str, bytes]:
    tables = await platform.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
    found = {}
    for table in tables:
        rows = await platform.rows(f'SELECT t::text AS row FROM "{table["name"]}" t')
        found[table["name"]] = "\n".join(row["row"] for row in rows).encode()
    return found
