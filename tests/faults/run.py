"""Faults, by seed, against a platform under load: `./scripts/faults --minutes 10 --seed 1`."""

import argparse
import asyncio
import logging
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiohttp

from shared.pipeline.policy import PATIENT
from tests.faults.injections import ALL
from tests.faults.invariants import all_hold
from tests.faults.scene import Scene, scene
from tests.faults.watch import AWAY, CORPUS, Watch
from tests.pipeline.books import index_of
from tests.pipeline.platform import eventually_async

# Everything submitted before the last trouble ends within this, once it is over: the longest wait between two attempts,
# and a minute for a few leases of a document that was handed from one dying worker to the next.
BOUND_S = PATIENT.retry_cap_s + 60
LOAD = 12

log = logging.getLogger("faults")


@dataclass
class Report:
    injected: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    documents: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)
    looks: int = 0
    settled_s: float = 0.0
    held: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        return [
            "injected: " + ", ".join(f"{name} ×{count}" for name, count in sorted(self.injected.items())),
            f"{self.jobs} jobs, documents: " + ", ".join(f"{n} {state}" for state, n in self.documents.most_common()),
            "failed as: " + (_listed(self.failures) or "nothing"),
            "failed tries that were made good: " + _listed(self.tries),
            f"{self.looks} looks at a corpus that changes: every page whole in each",
            f"all at rest {self.settled_s:.0f} s after the last trouble (bound {BOUND_S:.0f} s)",
            "holds: " + ", ".join(self.held),
        ]


async def run(
    seed: int, *, names: Sequence[str] | None = None, minutes: float = 0.0, keep: Path | None = None
) -> Report:
    """These injections in order; without `names` any of them, until the time is over.

    When something does not hold, the platform's logs are left in `keep`.
    """
    report = Report()
    async with scene(seed) as stage, _kept(stage, keep):
        await stage.platform.run(stage.urls, "reference", BOUND_S)
        reference = await index_of(stage.platform, "reference")
        watch = Watch(stage.platform, stage.site)
        await stage.platform.finish(await watch.publish(), BOUND_S)
        looking = asyncio.create_task(watch.keep_looking(), name="watch")
        jobs: dict[str, str] = {}
        for name in names or _by_chance(seed, minutes):
            await _submit(stage, jobs, watch)
            await asyncio.sleep(stage.random.uniform(0.2, 1.0))
            log.info("%s", name)
            await ALL[name](stage)
            report.injected[name] += 1
        log.info("no more troubles")
        await _settle(stage, jobs, report)
        report.held = await all_hold(stage, {job: c for job, c in jobs.items() if c != CORPUS}, reference)
        await _stop(looking)
        await watch.look()
        report.looks, report.jobs = watch.looks, len(jobs)
        await _count(stage, jobs, report)
    return report


@asynccontextmanager
async def _kept(stage: Scene, folder: Path | None) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        if folder is not None:
            shutil.copytree(stage.platform.folder / "logs", folder, dirs_exist_ok=True)
        raise


def _by_chance(seed: int, minutes: float) -> Iterator[str]:
    """Every injection in an order that the seed alone decides, again and again until the time is over."""
    until_s, order = time.monotonic() + minutes * 60, Random(seed)
    while True:
        for name in order.sample(list(ALL), len(ALL)):
            if time.monotonic() >= until_s:
                return
            yield name


async def _submit(stage: Scene, jobs: dict[str, str], watch: Watch) -> None:
    """The gateway or its database may be down just now: then there is simply no new job."""
    corpus = f"load-{len(jobs)}"
    with suppress(AssertionError, aiohttp.ClientError, *AWAY):
        async with asyncio.timeout(60):
            urls = stage.random.sample(stage.urls, LOAD)
            jobs[await stage.platform.submit(urls, corpus)] = corpus
            if stage.random.random() < 0.3:
                jobs[await watch.publish()] = CORPUS


async def _settle(stage: Scene, jobs: dict[str, str], report: Report) -> None:
    began = time.monotonic()
    for job_id in jobs:
        await stage.platform.finish(job_id, BOUND_S)
    report.settled_s = time.monotonic() - began

    async def told() -> bool:
        done = {event.subject for event in stage.broker.taken if event.type == "dev.sluice.job.completed.v1"}
        return jobs.keys() <= done

    await eventually_async(told, 60, "a job's completion was never told")


async def _count(stage: Scene, jobs: dict[str, str], report: Report) -> None:
    for job_id in jobs:
        for document in await stage.platform.documents(job_id):
            report.documents[document["status"]] += 1
            if document["error_code"]:
                report.failures[document["error_code"]] += 1
    for row in await stage.platform.rows("SELECT code, count(*) AS n FROM failures GROUP BY code"):
        report.tries[row["code"]] = row["n"] - report.failures[row["code"]]


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ×{n}" for name, n in counts.most_common())


async def _stop(looking: "asyncio.Task[None]") -> None:
    """A look that failed is told here."""
    if looking.done():
        looking.result()
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults are injected (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="which ones, and when (default: 1)")
    parser.add_argument("--only", action="append", choices=sorted(ALL), help="this one, once; may be repeated")
    parser.add_argument("--keep", type=Path, help="a folder for the platform's logs, should something not hold")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.WARNING)
    log.setLevel(logging.INFO)
    report = asyncio.run(run(options.seed, names=options.only, minutes=options.minutes, keep=options.keep))
    print(f"faults: seed {options.seed}, {sum(report.injected.values())} injections", *report.lines(), sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
