"""Lines kept, within bounds."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from emulator.logs import MAX_LINE_BYTES, LineSplitter, RotatingLog


def test_a_log_keeps_the_last_and_never_grows_beyond_two_files(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "logs" / "f.log", max_bytes=2000)
    for number in range(200):
        log.write("f-1", f"line {number}")
    log.close()
    assert [line.text for line in log.tail(2)] == ["line 198", "line 199"]
    assert sum(file.stat().st_size for file in (tmp_path / "logs").iterdir()) < 4200
    assert len(list((tmp_path / "logs").iterdir())) == 2


def test_a_log_goes_on_where_it_was(tmp_path: Path) -> None:
    for text in ("one", "two"):
        log = RotatingLog(tmp_path / "f.log")
        log.write("f-1", text)
        log.close()
    assert [(line.instance, line.text) for line in log.tail()] == [("f-1", "one"), ("f-1", "two")]


async def test_followers_get_what_was_and_what_comes(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "f.log")
    log.write("f-1", "before")
    async with aclosing(log.follow(10)) as lines:
        assert (await anext(lines)).text == "before"
        log.write("f-1", "after")
        assert (await asyncio.wait_for(anext(lines), 1)).text == "after"
        log.end_followers()
        assert [line async for line in lines] == []
    log.close()


async def test_a_full_disk_stops_nobody_who_prints(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "f.log")
    async with aclosing(log.follow(0)) as lines:
        heard = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        (tmp_path / "f.log").symlink_to("/dev/full")
        for text in ("one", "two"):
            log.write("f-1", text)
        assert (await asyncio.wait_for(heard, 1)).text == "one"
        (tmp_path / "f.log").unlink()
        log.write("f-1", "three")
    log.close()
    assert [line.text for line in log.tail()] == ["three"]


def test_a_line_without_end_is_cut() -> None:
    splitter = LineSplitter()
    assert [len(line) for line in splitter.feed(b"x" * (MAX_LINE_BYTES + 1))] == [MAX_LINE_BYTES + 1]
    assert [len(line) for line in splitter.feed(b"y" * (3 * MAX_LINE_BYTES) + b"\n")] == [MAX_LINE_BYTES] * 3


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])), max_size=8), st.data())
def test_lines_are_the_same_however_they_arrive(lines: list[str], data: st.DataObject) -> None:
    stream = "".join(f"{line}\n" for line in lines).encode()
    splitter, seen = LineSplitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        seen += splitter.feed(stream[:size])
        stream = stream[size:]
    assert seen + splitter.flush() == lines
