"""Who is put where, and how nice he is told to be."""

import os

import pytest

from emulator.containment.processors import Processors, confine, niceness
from tests.emulator.test_processes import start


@pytest.mark.parametrize(
    ("cpu_millis", "expected"), [(0, 0), (8000, 0), (1000, 0), (800, 1), (500, 3), (250, 6), (100, 10), (1, 19)]
)
def test_less_than_a_processor_is_a_smaller_weight(cpu_millis: int, expected: int) -> None:
    assert niceness(cpu_millis) == expected


def test_as_many_as_its_limit_says_and_those_with_the_fewest_on_them() -> None:
    processors = Processors(available=range(4))
    first = processors.take(1500)
    assert [set(each) for each in (first, processors.take(2000), processors.take(500))] == [{0, 1}, {2, 3}, {0}]
    processors.give_back(first)
    assert processors.take(1000) == {1}


@pytest.mark.parametrize(("available", "cpu_millis"), [(4, 0), (4, 4000), (4, 9000), (2, 1000)])
def test_any_where_binding_would_limit_nothing_or_waste_much(available: int, cpu_millis: int) -> None:
    assert Processors(available=range(available)).take(cpu_millis) == frozenset()


async def test_a_process_keeps_to_what_it_was_given() -> None:
    mine = min(os.sched_getaffinity(0))
    process = start("import time; time.sleep(600)", [])
    before = os.getpriority(os.PRIO_PROCESS, process.pid)
    confine(process.pid, 500, Processors(available=[mine], worth_binding=0).take(500) or frozenset((mine,)))
    assert os.sched_getaffinity(process.pid) == {mine}
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, before + 3)
    await process.stop(0)
    confine(process.pid, 500, frozenset((mine,)))
