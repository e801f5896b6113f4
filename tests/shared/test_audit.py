"""What is remembered of who did what."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest

from observe import tracing
from observe.context import TraceContext
from shared.audit import Action, Audit, clean
from shared.auth.context import CallerContext
from shared.store.audit import AuditFilter, list_audit
from shared.store.housekeeping import trim
from shared.store.store import Store
from tests.fakes.telemetry import recording

ALICE = CallerContext("alice", request_id="req-1")
AT = datetime(2026, 1, 1, tzinfo=UTC)


async def written(store: Store) -> list[str]:
    return [entry.action for entry in await list_audit(store, AuditFilter(), 1000)]


async def test_a_deed_is_in_the_log_at_once_and_soon_in_the_table(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    audit = Audit(store, clock=lambda: AT)
    with caplog.at_level(logging.INFO):
        audit.emit("job.submitted", ALICE, subject="job-1", route="/x", nothing=None)
    [record] = caplog.records
    said = vars(record)
    assert (said["action"], said["caller_id"], said["request_id"]) == ("job.submitted", "alice", "req-1")
    await audit.close()
    [entry] = await list_audit(store, AuditFilter(), 10)
    assert (entry.at, entry.caller_id, entry.request_id, entry.subject) == (AT, "alice", "req-1", "job-1")
    assert entry.detail == {"route": "/x"}


async def test_what_is_written_belongs_to_no_request(database: str) -> None:
    """Not to the first one either: the writer that it has started writes for all that come after."""
    with recording() as recorded:
        async with await Store.open(database) as store:
            audit = Audit(store)
            with tracing.span("POST /jobs", parent=TraceContext("a" * 32, "b" * 16)):
                audit.emit("job.submitted", ALICE)
            for count in (1, 2):
                async with asyncio.timeout(10):
                    while len(await written(store)) < count:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                audit.emit("job.cancelled", ALICE)
            await audit.close()
        assert [span.name for span in recorded.spans()] == ["POST /jobs"]


@pytest.mark.parametrize(
    "text",
    [
        "key slk_abc-DEF_0123456789 was used",
        "https://me:hunter2-secret@example.org/",
        "https://example.org/?q=1&api_key=hunter2-secret&x=2",
        "https://example.org/?access_token=hunter2-secret",
    ],
)
async def test_no_secret_is_remembered(store: Store, caplog: pytest.LogCaptureFixture, text: str) -> None:
    audit = Audit(store)
    with caplog.at_level(logging.INFO):
        audit.emit("route.used", ALICE, subject=text, url=text, more=[{"deep": text}])
    await audit.close()
    kept = await store.pool.fetchval("SELECT string_agg(a::text, ' ') FROM audit a")
    everything = kept + " ".join(str(vars(record)) for record in caplog.records)
    assert "hunter2-secret" not in everything
    assert "abc-DEF_0123456789" not in everything


def test_what_is_no_secret_stays() -> None:
    assert clean("https://example.org/?q=keys&page=2") == "https://example.org/?q=keys&page=2"
    assert clean({"n": 1, "ok": True, "none": None}) == {"n": 1, "ok": True, "none": None}
    assert clean("a\0b" + "x" * 1000) == "ab" + "x" * 498


async def test_filters_narrow_and_after_goes_on(store: Store) -> None:
    now = [AT]
    audit = Audit(store, clock=lambda: now[0])
    deeds: tuple[Action, ...] = ("job.submitted", "job.cancelled", "key.revoked")
    for n, action in enumerate(deeds):
        now[0] = AT + timedelta(hours=n)
        audit.emit(action, CallerContext(f"caller-{n % 2}", request_id=f"r{n}"), subject=f"s{n}")
    await audit.close()

    async def found(limit: int = 10, **given: object) -> list[str]:
        return [entry.action for entry in await list_audit(store, AuditFilter(**given), limit)]  # type: ignore[arg-type]

    assert await found() == ["job.submitted", "job.cancelled", "key.revoked"]
    assert await found(2) == ["job.cancelled", "key.revoked"], "the newest"
    assert await found(action="job.") == ["job.submitted", "job.cancelled"]
    assert await found(action="job") == []
    assert await found(caller_id="caller-1") == ["job.cancelled"]
    assert await found(subject="s2") == await found(request_id="r2") == ["key.revoked"]
    assert await found(since=AT + timedelta(minutes=90)) == ["key.revoked"]
    [first, *_] = await list_audit(store, AuditFilter(), 10)
    assert await found(1, after=first.id) == ["job.cancelled"], "the next one"


async def test_a_database_that_is_away_costs_nobody_anything_and_no_row(
    database: str, store: Store, tmp_path: Path
) -> None:
    parts = urlsplit(database)
    door = tmp_path / ".s.PGSQL.5432"
    real = Path(parse_qs(parts.query)["host"][0]) / door.name
    door.symlink_to(real)
    async with await Store.open(urlunsplit(parts._replace(query=f"host={tmp_path}"))) as behind:
        door.unlink()
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        await store.pool.execute(f"{others} AND pid <> pg_backend_pid()")
        audit = Audit(behind)
        audit.emit("job.submitted", ALICE)
        door.symlink_to(real)
        await audit.close()
    assert await written(store) == ["job.submitted"]


async def test_old_entries_are_swept_away(store: Store) -> None:
    now = [AT]
    audit = Audit(store, clock=lambda: now[0])
    audit.emit("job.submitted", ALICE)
    now[0] += timedelta(days=89)
    audit.emit("job.cancelled", ALICE)
    await audit.close()
    await trim(store, AT + timedelta(days=91))
    assert await written(store) == ["job.cancelled"]
