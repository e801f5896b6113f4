"""Real pages through the whole platform, beside a straight script that calls the same libraries in a loop.

Both fetch from the same local site, embed on the same stub endpoint and write to the same Postgres, in turn, with the
platform warm. CPU of the database servers is told apart; that of site and stub counts for nobody. Two scripts:
one reads pages as trafilatura does it (text, title, author, date), one with the functions of our own scrape stage.
Run: python -m benchmarks.pipeline --pages DIR   (a folder with a manifest.jsonl; the demo's own pages without it)
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from benchmarks.processes import DATABASE_SERVERS, CpuMeter
from cli import running
from demo.pages import own_site, recorded_site
from demo.ports import free_port

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Run:
    """One pass over all pages. Seconds; `database_s` is CPU of Postgres and Redis."""

    wall_s: float
    cpu_s: float
    database_s: float
    chunks: int
    by_process: dict[str, float]


@dataclass(frozen=True)
class Bench:
    """Everything that both sides share."""

    platform: list[str]
    urls: list[str]
    env: dict[str, str]
    root: psutil.Process
    database_url: str
    embedder: str

    def through_platform(self, corpus: str) -> Run:
        meter, started = CpuMeter(self.root), time.perf_counter()
        report = self.ingest(corpus, self.urls)
        wall_s = time.perf_counter() - started
        return _run(wall_s, meter.stop(), sum(d["chunks"] or 0 for d in report["documents"]))

    def ingest(self, corpus: str, urls: list[str]) -> dict[str, Any]:
        command = [sys.executable, "-m", "cli.main", "ingest", *self.platform, "--corpus", corpus, "--wait", "--json"]
        done = subprocess.run(
            [*command, "--from-file", "-"],
            input="\n".join(urls),
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, 3), done.stderr
        return dict(json.loads(done.stdout))

    def through_script(self, reader: str) -> Run:
        with tempfile.TemporaryDirectory() as folder:
            order = {
                "urls": self.urls,
                "reader": reader,
                "text_folder": folder,
                "database_url": self.database_url,
                "embedding_api_base_url": self.embedder,
                "model": "all-MiniLM-L6-v2",
            }
            meter = CpuMeter(self.root)
            command = [sys.executable, "-m", "benchmarks.straight_script"]
            done = subprocess.run(
                command, input=json.dumps(order), cwd=ROOT, env=self.env, stdout=-1, text=True, check=True
            )
            database_s = sum(cpu for name, cpu in meter.stop().items() if name in DATABASE_SERVERS)
        report = json.loads(done.stdout)
        return Run(report["wall_s"], report["cpu_s"], database_s, report["chunks"], {})


def _run(wall_s: float, cpu: dict[str, float], chunks: int) -> Run:
    database_s = sum(seconds for name, seconds in cpu.items() if name in DATABASE_SERVERS)
    return Run(wall_s, sum(cpu.values()) - database_s, database_s, chunks, cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    paths = list(recorded_site(options.pages) if options.pages else own_site())[: options.count]
    with (
        tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder,
        bench(options.pages, paths, Path(folder)) as both,
    ):
        both.ingest("warm", both.urls[:20])
        both.through_script("own")
        rounds = [
            (both.through_platform(f"round-{n}"), both.through_script("trafilatura"), both.through_script("own"))
            for n in range(options.rounds)
        ]
    _report(rounds, len(paths))


def _report(rounds: list[tuple[Run, Run, Run]], pages: int) -> None:
    print(f"{pages} pages, {len(rounds)} rounds, platform and scripts in turn on {os.cpu_count()} cores\n")
    print(f"{'':<22}{'wall s':>8}{'CPU s':>8}{'CPU ms/page':>13}{'database CPU s':>16}{'chunks':>8}")
    labels = ("platform", "script, trafilatura", "script, own reader")
    for number, label in enumerate(labels):
        for run in (each[number] for each in rounds):
            per_page = run.cpu_s / pages * 1000
            print(
                f"{label:<22}{run.wall_s:>8.1f}{run.cpu_s:>8.1f}{per_page:>13.0f}{run.database_s:>16.1f}{run.chunks:>8}"
            )
    print("\nplatform / script, medians (bounds: CPU 1.5, wall 1.0)")
    for number, label in enumerate(labels[1:], 1):
        cpu = statistics.median(each[0].cpu_s / each[number].cpu_s for each in rounds)
        wall = statistics.median(each[0].wall_s / each[number].wall_s for each in rounds)
        print(f"  {label:<22}CPU {cpu:.2f}  wall {wall:.2f}")
    print("\nplatform CPU ms a page, by process (last round)")
    for name, seconds in sorted(rounds[-1][0].by_process.items(), key=lambda item: -item[1]):
        print(f"  {name:<36}{seconds / pages * 1000:>8.1f}")


@contextmanager
def bench(
    pages: Path | None, paths: list[str], data_dir: Path, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Bench]:
    port, stub_port = free_port(), free_port()
    embedder = f"http://127.0.0.1:{stub_port}/v1"
    env = {
        **os.environ,
        "SCRAPE_ALLOW_NETWORKS": "127.0.0.0/8",
        "SCRAPE_DOMAIN_DELAY_SECONDS": "0",
        "EMBEDDING_API_BASE_URL": embedder,
        **settings,
    }
    platform = ["--port", str(port), "--data-dir", str(data_dir)]
    site = ["demo.site", *(["--pages", str(pages)] if pages else [])]
    with process(site) as served, process(["tests.fakes.embeddings", "--port", str(stub_port)]):
        assert served.stdout is not None
        site_url = served.stdout.readline().strip()
        sluice = [sys.executable, "-m", "cli.main"]
        subprocess.run([*sluice, "up", "--detach", *platform], cwd=ROOT, env=env, check=True)
        try:
            there = running.read(data_dir)
            assert there is not None
            root = psutil.Process(there.pid)
            urls = [site_url + path for path in paths]
            yield Bench(platform, urls, env, root, _database_url(root), embedder)
        finally:
            subprocess.run([*sluice, "down", *platform], cwd=ROOT, env=env, check=True)


def _database_url(root: psutil.Process) -> str:
    """As the platform's own functions are told it."""
    found = (process.environ().get("DATABASE_URL") for process in root.children(recursive=True))
    return next(url for url in found if url)


@contextmanager
def process(module: list[str]) -> Iterator["subprocess.Popen[str]"]:
    started = subprocess.Popen([sys.executable, "-m", *module], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(10)


if __name__ == "__main__":
    main()
