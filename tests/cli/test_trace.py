"""`sluice trace` and `sluice logs --trace`: what was kept, drawn in a terminal or a pipe; else why nothing was."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from cli.kept import Circumstances, absence
from cli.waterfall import Paper, drawn, duration, spent
from emulator.telemetry.bounds import TRACES_FILE, Bounds
from emulator.telemetry.store import SpanStore
from observe.received import Link, Span
from tests.cli.conftest import Cli
from tests.emulator.telemetry.made import SECOND_NS, TRACE, span, span_id

JOB = "7a0e2a1c-4f0b-4a55-9a0e-6f2f0a1b2c3d"
URL = "https://e.example/page"
REQUEST = "d" * 32
ABOUT = {"job.id": JOB, "job.url": URL}


def document(trace: str = TRACE, *, url: str = URL, took_s: float = 10.0) -> list[Span]:
    """A page's trace, with what a page waits for and what is done with it."""
    about = {"job.id": JOB, "job.url": url}
    root = span("document", 0, took_s, trace=trace, service="orchestrator", attributes=about)
    return [
        replace(root, links=(Link(REQUEST, span_id("POST")),)),
        span("queue wait", 0.1, 3, parent="document", trace=trace),
        span("fetch", 3.1, 2, parent="document", trace=trace, attributes=about),
        span("robots", 3.2, 0.5, parent="fetch", trace=trace),
        span("embeddings", 6, 3.5, parent="document", service="embed-worker", trace=trace),
        *(span("SELECT", 6 + n, 0.1, parent="embeddings", trace=trace, named=f"sql {n}") for n in range(4)),
    ]


REQUEST_SPANS = [
    span(
        "POST /api/orchestrator/jobs",
        -0.2,
        0.1,
        trace=REQUEST,
        named="POST",
        service="gateway",
        attributes={"job.id": JOB},
    )
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".sluice"


def keep(folder: Path, *spans: Span) -> None:
    store = SpanStore.open(folder / TRACES_FILE, Bounds())
    store.add(spans, 1.0)
    store.close()


def lines(*spans: Span, width: int = 100, paper: Paper | None = None) -> list[str]:
    return [line.text for line in drawn(spans, paper or Paper(width, "#", "-"))]


def test_bars_stand_on_one_axis_and_fit_the_width() -> None:
    assert lines(*document(), width=80) == [
        "                            0              5.00 s             10.00 s",
        "document      orchestrator  #########################################   10.00 s",
        "  queue wait  scrape-worker #############                                3.00 s",
        "  fetch       scrape-worker             #########                        2.00 s",
        "    robots    scrape-worker              ###                             500 ms",
        "  embeddings  embed-worker                          ###############      3.50 s",
        "    SELECT x4 scrape-worker                         #-------------       400 ms",
    ]


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 200])
def test_whatever_the_width_no_line_is_longer(width: int) -> None:
    failed = span("a name " * 9, 1, 2, parent="document", failed=True, message="a reason " * 20)
    found = lines(*document(), failed, width=width)
    assert max(map(len, found)) <= width + 2, "but for the mark of a failure"
    assert all("document" not in line or "10.00 s" in line for line in found)


def test_what_failed_is_marked_and_says_why() -> None:
    failed = span("fetch", 1, 2, failed=True, message="no\x1b[2J answer", attributes={"error.type": "http_503"})
    _, line, reason = drawn([failed], Paper(80, "#", "-"))
    assert line.text.endswith(" !")
    assert (reason.text, line.mood, reason.mood) == ("  ! http_503: no [2J answer", "failed", "failed")


def test_hostile_names_do_not_drive_the_terminal() -> None:
    hostile = span("\x1b[31m\n\u202eevil", service="\x07bell", attributes={"job.url": "\x1b]0;x\x07"})
    said = "".join(lines(hostile)) + "".join(line.text for line in spent([hostile], Paper(80)))
    assert all(character.isprintable() for character in said)


def test_of_many_rows_the_longest_failed_and_their_parents_are_shown() -> None:
    many = [span(f"s{n}", n, n % 7, parent="top", named=f"n{n:05}") for n in range(300)]
    failed = span("broken", 4, 0, parent="n00003", named="broken", failed=True)
    shown = [line.text for line in drawn([span("top", 0, 300), *many, failed], Paper(100), most=10)]
    assert len(shown) < 30
    assert shown[1].startswith("top")
    assert any("broken" in line for line in shown)
    assert "shorter ones; --json has all of them" in shown[-1]


def test_where_the_time_went_adds_up() -> None:
    said = [line.text.split() for line in spent(document(), Paper(100))]
    parts = {words[0]: int(words[-1 if words[-1].endswith("%") else -2].rstrip("%")) for words in said}
    assert abs(sum(parts.values()) - 100) <= 3
    assert said[0][0] == "embeddings"


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (0, "0.00 ms"),
        (210_000, "0.21 ms"),
        (45e6, "45 ms"),
        (999.6e6, "1.00 s"),
        (2.31e9, "2.31 s"),
        (59.999e9, "1:00 min"),
        (125e9, "2:05 min"),
    ],
)
def test_durations_are_short(ns: float, words: str) -> None:
    assert duration(ns) == words


async def test_a_page_is_found_by_its_url_and_by_its_id(sluice: Cli, folder: Path) -> None:
    keep(folder, *document(), *REQUEST_SPANS)
    by_url = await sluice("trace", "HTTPS://E.example:443/page#here")
    by_id = await sluice("trace", str(UUID(TRACE)))
    assert by_url.code == by_id.code == 0, by_url.err
    assert by_url.out == by_id.out
    assert URL in by_url.out
    assert "took 10.00 s; 9 spans of 3 services" in by_url.out
    assert by_url.out.index("POST /api/orchestrator/jobs") < by_url.out.index("queue wait")
    assert "\x1b" not in by_url.out, "no colours in a pipe"


async def test_of_several_pages_of_a_url_the_newest_is_taken_and_the_others_are_named(
    sluice: Cli, folder: Path
) -> None:
    keep(
        folder,
        *document(),
        *(replace(one, start_ns=one.start_ns - 9, end_ns=one.end_ns - 9) for one in document("a" * 32)),
    )
    found = await sluice("trace", URL)
    assert f"document {TRACE}" in found.out
    assert f"the newest of 2 traces of this URL; the others: {'a' * 32}" in found.out


async def test_a_failed_page_says_so_first(sluice: Cli, folder: Path) -> None:
    root, *rest = document()
    keep(folder, replace(root, failed=True, attributes={**ABOUT, "error.type": "http_404"}), *rest)
    assert "failed after 10.00 s: http_404; 9 spans" in (await sluice("trace", URL)).out


async def test_a_page_that_was_called_off_says_so(sluice: Cli, folder: Path) -> None:
    root, *rest = document()
    keep(folder, replace(root, attributes={**ABOUT, "error.type": "cancelled"}), *rest)
    assert "cancelled after 10.00 s; 9 spans" in (await sluice("trace", URL)).out


async def test_what_became_of_a_page_is_told_by_its_last_replay(sluice: Cli, folder: Path) -> None:
    root, *rest = document()
    failed = replace(root, failed=True, attributes={**ABOUT, "error.type": "http_503"})
    first = span("replay", 20, 3, parent="document", failed=True, attributes={"error.type": "http_404"})
    keep(folder, failed, *rest, first)
    assert "failed after 3.00 s: http_404, when it was replayed; 10 spans" in (await sluice("trace", URL)).out
    keep(folder, span("replay", 60, 5, parent="document", named="second replay"))
    assert "took 5.00 s, when it was replayed; 11 spans" in (await sluice("trace", URL)).out


async def test_a_page_that_has_not_ended_is_drawn_as_far_as_it_is(sluice: Cli, folder: Path) -> None:
    keep(folder, *document()[1:], *REQUEST_SPANS)
    found = await sluice("trace", URL)
    assert "not ended yet, or its end has not arrived" in found.out
    assert "POST /api/orchestrator/jobs" in found.out, "the job knows its request"


async def test_a_job_shows_its_request_and_its_slowest_pages(sluice: Cli, folder: Path) -> None:
    pages = [document(f"{n:031x}a", url=f"https://e.example/{n}", took_s=10 + n) for n in range(5)]
    keep(folder, *REQUEST_SPANS, *(one for page in pages for one in page))
    found = await sluice("trace", JOB, "--pages", "3")
    assert "traces of 5 pages are kept" in found.out
    listed = [line for line in found.out.splitlines() if "https://e.example/" in line]
    assert [line.rpartition("/")[2] for line in listed] == ["4", "3", "2", "4"], "and the first of them whole"
    assert "and 2 pages that took less" in found.out
    said = (await sluice("trace", JOB, "--json")).json()
    assert (said["kind"], said["pages"], len(said["slowest"])) == ("job", 5, 5)


@pytest.mark.parametrize("wanted", [(TRACE,), (JOB,), (TRACE, "--json"), (JOB, "--json")], ids=" ".join)
async def test_nothing_that_is_kept_drives_the_terminal(sluice: Cli, folder: Path, wanted: tuple[str, ...]) -> None:
    hostile = "\x1b[2J\x9b2J\u202e\n\x07"
    root, *rest = document(url=f"https://e.example/{hostile}")
    error = {"error.type": f"http_503{hostile}"}
    failed = replace(root, failed=True, service=hostile, message=hostile, attributes={**root.attributes, **error})
    keep(folder, failed, *(replace(one, name=f"{one.name}{hostile}") for one in rest), *REQUEST_SPANS)
    found = await sluice("trace", *wanted)
    assert found.code == 0, found.err
    assert "http_503" in found.out
    assert all(line.isprintable() for line in found.out.split("\n"))


async def test_the_slowest_page_is_the_one_that_ended_last_not_whose_wake_up_did(sluice: Cli, folder: Path) -> None:
    """A wake-up is part of the trace that asked for it, and goes on for the pages of others."""
    first = [*document(TRACE, url="https://e.example/first", took_s=10), span("wake-up", 5, 300, parent="document")]
    keep(folder, *REQUEST_SPANS, *first, *document(f"{1:032x}", url="https://e.example/second", took_s=20))
    found = await sluice("trace", JOB, "--pages", "1")
    listed = [line for line in found.out.splitlines() if "https://e.example/" in line]
    assert [line.rpartition("/")[2] for line in listed] == ["second", "second"]
    both = (await sluice("trace", JOB)).out
    assert [line.split()[0] for line in both.splitlines() if " s  " in line and "https://" in line] == [
        "20.00",
        "10.00",
    ]


async def test_json_has_every_span_with_its_place(sluice: Cli, folder: Path) -> None:
    keep(folder, *document(), *REQUEST_SPANS)
    said = (await sluice("trace", URL, "--json")).json()
    assert (said["kind"], said["trace_id"], said["job_id"], said["url"]) == ("trace", TRACE, JOB, URL)
    assert (said["seconds"], said["ended"], said["error"]) == (10.0, True, None)
    assert [(one["depth"], one["name"]) for one in said["spans"]][:4] == [
        (0, "document"),
        (1, "queue wait"),
        (1, "fetch"),
        (2, "robots"),
    ]
    assert len(said["spans"]) == 9
    assert said["spans"][2]["offset_s"] == pytest.approx(3.1)
    assert sum(one["share"] for one in said["time"]) == pytest.approx(1, abs=0.01)
    assert [one["name"] for one in said["submission"]] == ["POST /api/orchestrator/jobs"]


async def test_it_is_drawn_with_plain_signs_where_there_are_no_others(folder: Path, tmp_path: Path) -> None:
    keep(folder, *document())
    found = await Cli(tmp_path, {"PYTHONIOENCODING": "ascii", "COLUMNS": "90"})("trace", URL)
    assert found.out.isascii()
    assert "####" in found.out
    assert max(map(len, found.out.splitlines())) <= 90


async def test_a_terminal_has_colours_unless_it_wants_none(folder: Path, tmp_path: Path) -> None:
    keep(folder, span("fetch", failed=True, attributes=ABOUT))
    for more, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        shown = await on_terminal(Cli(tmp_path, {"TERM": "xterm", **more}), "trace", URL)
        assert (b"\x1b[31m" in shown) is coloured


async def on_terminal(cli: Cli, *arguments: str) -> bytes:
    ours, theirs = os.openpty()
    process = await cli.start_on(theirs, *arguments)
    os.close(theirs)
    await process.wait()
    shown = os.read(ours, 65_536)
    os.close(ours)
    return shown


NOW = datetime(2026, 2, 3, 10, 15, tzinfo=UTC)
CASE = Circumstances(
    name=URL,
    data_dir=Path(".sluice"),
    kept_since=NOW - timedelta(hours=1),
    running=True,
    observing=True,
    created_at=NOW - timedelta(minutes=5),
    sampled=True,
    now=NOW,
)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"kept_since": None, "running": False, "observing": None},
            "no traces are kept in .sluice: `sluice up --observe`",
        ),
        ({"observing": False}, "this platform runs without --observe"),
        ({"running": False, "observing": None}, "in .sluice, where traces go back to 2026-02-03 09:15:00Z"),
        ({"created_at": None}, f"there is no job, document or page {URL} of yours"),
        ({"sampled": False}, "OTEL_TRACES_SAMPLER_ARG chooses only a part"),
        (
            {"created_at": NOW - timedelta(seconds=1)},
            f"look again in a few seconds; `sluice why {URL}` says what it waits for",
        ),
        ({"created_at": NOW - timedelta(days=9)}, "handed in at 2026-01-25 10:15:00Z, and traces go back to"),
        ({"kept_since": None}, "handed in at 2026-02-03 10:10:00Z"),
    ],
)
def test_what_is_not_there_is_told_with_its_reason(changed: dict[str, object], words: str) -> None:
    assert words in absence(replace(CASE, **changed))  # type: ignore[arg-type]


async def test_without_a_platform_and_without_traces_it_says_how_to_get_some(sluice: Cli) -> None:
    found = await sluice("trace", URL)
    assert (found.code, found.out) == (1, "")
    assert "no traces are kept in " in found.err
    assert "sluice up --observe" in found.err


@pytest.mark.parametrize(
    ("what", "words"), [("nonsense", "no job's or document's id, and no URL"), ("ftp://e/", "http")]
)
async def test_what_is_no_id_and_no_url_is_bad_usage(sluice: Cli, what: str, words: str) -> None:
    found = await sluice("trace", what)
    assert found.code == 2
    assert words in found.err


async def test_log_lines_of_a_trace_come_by_their_time_from_every_function(sluice: Cli, folder: Path) -> None:
    logs = folder / "logs"
    logs.mkdir(parents=True)
    (logs / "scrape-worker.log.1").write_text(f'2026-02-03T10:00:01.0Z w-1 {{"trace_id": "{TRACE}", "n": 1}}\n')
    (logs / "scrape-worker.log").write_text(f'2026-02-03T10:00:03.0Z w-1 {{"trace_id": "{TRACE}", "n": 3}}\nother\n')
    (logs / "embed.log").write_text(f'2026-02-03T10:00:02.0Z e-1 {{"document_id": "{UUID(TRACE)}", "n": 2}}\n')
    found = await sluice("logs", "--trace", TRACE)
    assert [line[-2] for line in found.out.splitlines()] == ["1", "2", "3"]
    assert found.out.startswith("scrape-worker ")
    one = await sluice("logs", "embed", "--trace", str(UUID(TRACE)))
    assert one.out.count("\n") == 1
    assert (await sluice("logs", "--trace", "f" * 32)).code == 1
    assert (await sluice("logs", "--trace", "x")).code == 2
    assert (await sluice("logs")).code == 2


def test_the_width_of_a_second_is_the_same_everywhere() -> None:
    one, two = span("a", 0, 1), span("b", 1, 1)
    _, first, second = lines(one, two, width=80)
    assert abs(first.count("#") - second.count("#")) <= 1
    assert one.end_ns - one.start_ns == SECOND_NS
