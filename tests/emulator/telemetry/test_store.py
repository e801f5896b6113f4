"""What a laptop keeps of its traces, and for how long."""

from pathlib import Path

import pytest

from emulator.telemetry.bounds import TRACES_FILE, Bounds
from emulator.telemetry.kept import KeptTrace, KeptTraces
from emulator.telemetry.store import SpanStore
from observe.received import Link, Span
from shared.errors import Conflict
from tests.emulator.telemetry.made import BEGAN_NS, SECOND_NS, TRACE, span

OTHER = "f" * 32


def open_store(folder: Path, **bounds: float) -> SpanStore:
    return SpanStore.open(folder / TRACES_FILE, Bounds(**bounds))  # type: ignore[arg-type]


def kept(folder: Path, trace_id: str = TRACE) -> list[Span]:
    traces = KeptTraces.of(folder)
    assert traces is not None
    with traces:
        return traces.spans(trace_id)


def test_spans_come_back_as_they_were_also_after_a_restart(tmp_path: Path) -> None:
    fetch = span("fetch", 0.5, parent="document", failed=True, message="no", links=(Link("1" * 32, "2" * 16),))
    document = span("document", attributes={"job.id": "j", "embedding.tokens": 7})
    first = open_store(tmp_path)
    assert first.add([fetch, document], 1.0) == 0
    first.close()
    again = open_store(tmp_path)
    assert kept(tmp_path) == [document, fetch]
    again.close()


def test_they_can_be_read_while_they_are_written(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(5):
        store.add([span(f"span {number}", number)], 1.0)
        assert len(kept(tmp_path)) == number + 1
    store.close()


def test_a_trace_is_found_by_its_job_and_url(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    about = {"job.id": "a job", "job.url": "https://e.example/"}
    store.add([span("queue"), span("fetch", 1, 2, attributes=about)], 1.0)
    store.add([span("embed", 5, 4), span("document", attributes=about, trace=OTHER)], 2.0)
    store.add([span("POST /jobs", trace="e" * 32, attributes={"job.id": "a job"})], 2.0)
    traces = KeptTraces.of(tmp_path)
    assert traces is not None
    with traces:
        longest, other = traces.of_job("a job", 10)
        assert longest == KeptTrace(TRACE, "a job", "https://e.example/", BEGAN_NS, BEGAN_NS + 9 * SECOND_NS, 3)
        assert other.trace_id == OTHER
        assert [each.trace_id for each in traces.of_url("https://e.example/", 1)] == [TRACE]
        assert traces.of_job("another", 10) == []
        assert (traces.pages("a job"), traces.pages("another")) == (2, 0)
        submission = traces.submission("a job")
        assert submission is not None
        assert submission.trace_id == "e" * 32
        assert traces.submission("another") is None
        assert traces.find("0" * 32) is None
        assert traces.since_ns() == BEGAN_NS
    store.close()


def test_the_same_span_sent_twice_is_one(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add([span("fetch"), span("fetch")], 1.0)
    store.add([span("fetch")], 2.0)
    store.close()
    assert kept(tmp_path) == [span("fetch")]
    traces = KeptTraces.of(tmp_path)
    assert traces is not None
    with traces:
        found = traces.find(TRACE)
    assert found is not None
    assert found.spans == 1


def test_what_is_old_goes_trace_by_trace(tmp_path: Path) -> None:
    store = open_store(tmp_path, age_s=100)
    store.add([span("old", trace=OTHER), span("old, and added to")], 1000.0)
    store.add([span("new")], 1050.0)
    store.trim(1101.0)
    store.close()
    assert kept(tmp_path, OTHER) == []
    assert {each.name for each in kept(tmp_path)} == {"old, and added to", "new"}


def test_the_file_stays_within_its_bound_and_the_newest_are_kept(tmp_path: Path) -> None:
    store = open_store(tmp_path, size_bytes=500_000)
    for number in range(60):
        trace = f"{number:032x}"[:-1] + "a"
        many = [span(f"s{n}", n, trace=trace, attributes={"text": "x" * 1000}) for n in range(50)]
        store.add(many, 1000.0 + 10 * number)
    newest = f"{59:032x}"[:-1] + "a"
    assert store.size_bytes <= 500_000
    store.close()
    assert (tmp_path / TRACES_FILE).stat().st_size < 1_500_000
    assert len(kept(tmp_path, newest)) == 50


def test_a_clock_that_is_set_back_keeps_nothing_from_going(tmp_path: Path) -> None:
    store = open_store(tmp_path, age_s=100)
    store.add([span("old", trace=OTHER)], 1_000_000.0)
    store.add([span("before")], 1000.0)
    store.add([span("after", trace="e" * 32)], 1200.0)
    store.close()
    assert kept(tmp_path) == []
    assert kept(tmp_path, "e" * 32) != []


def test_what_is_read_together_is_of_one_moment(tmp_path: Path) -> None:
    store = open_store(tmp_path, age_s=100)
    store.add([span("fetch")], 1.0)
    traces = KeptTraces.of(tmp_path)
    assert traces is not None
    with traces:
        assert traces.find(TRACE) is not None
        store.trim(1000.0)
        assert traces.spans(TRACE) == [span("fetch")]
    store.close()
    assert kept(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"this is no database" * 100])
def test_who_looks_into_a_file_that_is_none_is_told_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TRACES_FILE).write_bytes(content)
    with pytest.raises(Conflict, match=r"cannot be read: .*; `sluice up --observe` puts a damaged file aside"):
        kept(tmp_path)


def test_one_trace_cannot_push_out_all_others(tmp_path: Path) -> None:
    store = open_store(tmp_path, spans_a_trace=10)
    assert store.add([span(f"{n:03}", n, parent="top") for n in range(8)], 1.0) == 0
    assert store.add([span(f"{n:03}", n, parent="top") for n in range(8, 20)], 2.0) == 10
    store.close()
    assert len(kept(tmp_path)) == 10


def test_the_root_of_a_full_trace_is_kept_and_so_are_not_any_number_of_them(tmp_path: Path) -> None:
    store = open_store(tmp_path, spans_a_trace=10)
    many = [span(f"{n:03}", n, parent="document") for n in range(30)]
    assert store.add([*many, span("document", for_s=40)], 1.0) == 20
    assert store.add([span(f"root {n:03}") for n in range(30)], 2.0) == 21
    store.close()
    assert "document" in [each.name for each in kept(tmp_path)]
    assert len(kept(tmp_path)) == 20


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / TRACES_FILE).write_bytes(b"this is no database" * 100)
    store = open_store(tmp_path)
    store.add([span("fetch")], 1.0)
    store.close()
    assert kept(tmp_path) == [span("fetch")]
    assert (tmp_path / f"{TRACES_FILE}.damaged").exists()


def test_what_is_kept_is_closed_to_others(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    assert (tmp_path / TRACES_FILE).stat().st_mode & 0o077 == 0


def test_where_nothing_was_ever_kept_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    assert KeptTraces.of(tmp_path) is None


@pytest.mark.parametrize("text", ["'; DROP TABLE spans; --", "\x1b[31m", "ü" * 100, "\u202e"])
def test_names_are_only_names(tmp_path: Path, text: str) -> None:
    store = open_store(tmp_path)
    store.add([span("x", service=text, attributes={"job.id": text, "job.url": text})], 1.0)
    store.close()
    assert [each.service for each in kept(tmp_path)] == [text]
