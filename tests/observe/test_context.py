"""Traces go on behind whoever keeps nothing of them, and strangers' headers harm nobody."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observe import context
from observe.context import TraceContext, entered, parse

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("03", True), ("02", False)])
def test_what_is_written_is_read(flags: str, sampled: bool) -> None:
    found = parse(f"00-{TRACE}-{SPAN}-{flags}")
    assert found == TraceContext(TRACE, SPAN, sampled)
    assert parse(found.format()) == found


@pytest.mark.parametrize(
    "header",
    [
        *(
            "",
            "00",
            f"00-{TRACE}-{SPAN}",
            f"00-{TRACE}-{SPAN}-1",
            f"00-{TRACE}-{SPAN}-01-more",
            f"ff-{TRACE}-{SPAN}-01",
        ),
        *(f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01"),
        *(f" 00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01\n", f"00_{TRACE}_{SPAN}_01"),
    ],
)
def test_what_is_no_traceparent_is_none(header: str) -> None:
    assert parse(header) is None


def test_a_later_version_may_say_more() -> None:
    assert parse(f"cc-{TRACE}-{SPAN}-01-what-the-future-brings") == TraceContext(TRACE, SPAN)


@given(st.text())
def test_any_header_is_read_or_left(header: str) -> None:
    assert parse(header) is None or len(header) >= 55


def test_the_work_in_hand_is_about_all_that_was_said_outside() -> None:
    with entered(TraceContext(TRACE, SPAN), {"job.id": "1", "queue.name": "scrape"}):
        with entered(TraceContext(TRACE, "c" * 16), {"job.id": "2"}):
            assert context.about() == {"job.id": "2", "queue.name": "scrape"}
            assert context.current() == TraceContext(TRACE, "c" * 16)
        assert context.about() == {"job.id": "1", "queue.name": "scrape"}
        assert context.current() == TraceContext(TRACE, SPAN)
    assert context.current() is None
    assert context.about() == {}


async def test_tasks_do_not_mix_their_traces_up() -> None:
    async def work(number: int) -> bool:
        trace = TraceContext(f"{number + 1:032x}", SPAN)
        with entered(trace, {"job.id": str(number)}):
            await asyncio.sleep(0)
            return context.current() == trace and context.about() == {"job.id": str(number)}

    assert all(await asyncio.gather(*map(work, range(20))))
