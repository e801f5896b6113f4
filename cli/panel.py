"""An overview as lines that fit a terminal. Pure."""

from collections.abc import Iterator
from typing import Final

from cli.overview import FunctionLine, Overview
from cli.text import clean, plural, shorten
from cli.waterfall import Line, duration

MOST_JOBS: Final = 5
NAME: Final = 16
_HEAD: Final = ("FUNCTION", "READY", "BUSY", "HELD", "WAITING", "RUNNING", "CALLS/S", "MEAN", "COLD START")
_WIDTHS: Final = (NAME, 7, 5, 5, 8, 8, 8, 9, 11)


def lines(seen: Overview, width: int, height: int, clock: str) -> list[Line]:
    """What matters most comes first: a small terminal shows the beginning of each line, and the first lines."""
    found = [*_above(seen, clock), *_functions(seen), *_jobs(seen)]
    return [Line(shorten(line.text, width), line.mood) for line in found[: max(1, height)]]


def _above(seen: Overview, clock: str) -> Iterator[Line]:
    ready = "ready" if seen.ready else "not ready"
    up = duration(seen.up_s * 1e9)
    yield Line(f"sluice on port {seen.port}, {ready}, up for {up}   {clock}", "strong")
    yield from (Line(f"  ! {clean(each)}", "failed") for each in seen.trouble)
    states = ", ".join(f"{count:,} {state}" for state, count in seen.documents.items())
    yield Line(f"documents of unfinished jobs: {states or 'none'}")
    yield Line(f"waiting: {_waiting(seen)}")
    if seen.slowest:
        mean = next(each.mean_s for each in seen.functions if each.name == seen.slowest) or 0.0
        yield Line(f"slowest: a call of {clean(seen.slowest)} takes {duration(mean * 1e9)}")


def _waiting(seen: Overview) -> str:
    said = []
    for stage in ("scrape", "chunk", "embed"):
        oldest = f", the oldest for {duration(seen.oldest_s[stage] * 1e9)}" if stage in seen.oldest_s else ""
        if seen.waiting.get(stage) or oldest:
            said.append(f"{seen.waiting.get(stage, 0):,} to {stage}{oldest}")
    if seen.domains_waiting:
        longest = duration(seen.longest_domain_wait_s * 1e9)
        said.append(f"{plural(seen.domains_waiting, 'domain')} for its turn, {longest} at most")
    said += [f"{plural(count, what)}" for count, what in ((seen.outbox, "event"), (seen.webhooks, "webhook")) if count]
    return "; ".join(said) or "nothing"


def _functions(seen: Overview) -> Iterator[Line]:
    yield Line("")
    yield Line(_row(_HEAD), "faint")
    for function in seen.functions:
        yield Line(_row(_cells(function)), "failed" if function.trouble else "" if function.replicas else "faint")


def _cells(function: FunctionLine) -> tuple[str, ...]:
    def number(value: int | None) -> str:
        return "" if value is None else f"{value:,}" if value else "-"

    ready = f"{function.ready}/{function.replicas}" if function.ready != function.replicas else str(function.ready)
    return (
        shorten(clean(function.name), NAME),
        ready if function.replicas else "zero",
        number(function.in_flight),
        number(function.queued),
        number(function.waiting),
        number(function.running),
        f"{function.calls_per_s:.1f}" if function.calls_per_s else "-",
        "" if function.mean_s is None else duration(function.mean_s * 1e9),
        "" if function.cold_start_s is None else duration(function.cold_start_s * 1e9),
    )


def _row(cells: tuple[str, ...]) -> str:
    first, *rest = cells
    return (
        first.ljust(NAME) + "".join(f"{cell:>{width}}" for cell, width in zip(rest, _WIDTHS[1:], strict=True))
    ).rstrip()


def _jobs(seen: Overview) -> Iterator[Line]:
    if not seen.jobs:
        return
    yield Line("")
    yield Line("JOB                                         DONE      RATE       LEFT  CORPUS", "faint")
    for job in seen.jobs[:MOST_JOBS]:
        done = f"{job['ended']:,}/{job['documents']:,}"
        rate = f"{job['rate_per_s']:.1f}/s" if job["rate_per_s"] is not None else "-"
        left = duration(job["eta_s"] * 1e9) if job["eta_s"] is not None else "-"
        yield Line(f"{job['job_id']} {done:>11} {rate:>9} {left:>10}  {clean(job['corpus'])}")
