"""What telemetry costs the pipeline: processor time of two platforms, of which one exports its traces.

Both are up and warm, fetch the same pages from the same site, and take turns; only the one at work is measured, without
its database servers, and without the collector that takes the traces. The bound is 8 % more. Most of the time is the
parsers', which record nothing: what theirs differs by is noise, so the difference is told without them, too.
Run: python -m benchmarks.telemetry --pages DIR   (a folder with a manifest.jsonl; the demo's own pages without it)
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from benchmarks.pipeline import Bench, Run, bench, process
from benchmarks.processes import DATABASE_SERVERS
from demo.pages import own_site, recorded_site

BOUND = 1.08
WARM = 20
PARSER = "functions.scrape.parser"
# No function goes to zero while its platform waits for its turn.
AWAKE = {"SLUICE_IDLE_SECONDS": "3600"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    paths = list(recorded_site(options.pages) if options.pages else own_site())[: options.count]
    with process(["benchmarks.collector"]) as collector, tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        assert collector.stdout is not None
        on = {**AWAKE, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.stdout.readline().strip()}
        with (
            bench(options.pages, paths, Path(folder, "off"), {**AWAKE, "OTEL_SDK_DISABLED": "true"}) as silent,
            bench(options.pages, paths, Path(folder, "on"), on) as telling,
        ):
            pairs = _measured(silent, telling, options.rounds)
        collector.terminate()
        spans = int(collector.stdout.read().split()[-1])
    _report(pairs, len(paths), spans)


def _measured(silent: Bench, telling: Bench, rounds: int) -> list[tuple[Run, Run]]:
    """Who goes first changes with each round: what the machine does beside weighs on both alike."""
    for each in (silent, telling):
        each.ingest("warm", each.urls)
    pairs = []
    for number in range(rounds):
        order = (("off", silent), ("on", telling))
        runs = {}
        for name, each in order[:: 1 if number % 2 else -1]:
            each.ingest(f"warm-{number}", each.urls[:WARM])  # while the other one worked, workers may have gone
            runs[name] = each.through_platform(f"round-{number}")
        pairs.append((runs["off"], runs["on"]))
    return pairs


def _report(pairs: list[tuple[Run, Run]], pages: int, spans: int) -> None:
    print(f"{pages} pages, {len(pairs)} rounds in turn on {os.cpu_count()} cores; {spans} spans arrived\n")
    print(f"{'':<8}{'off: CPU ms/page':>18}{'on: CPU ms/page':>18}{'ratio':>8}{'wall off s':>12}{'wall on s':>12}")
    for number, (off, on) in enumerate(pairs, 1):
        cells = f"{off.cpu_s / pages * 1000:>18.1f}{on.cpu_s / pages * 1000:>18.1f}{on.cpu_s / off.cpu_s:>8.3f}"
        print(f"{number:<8}{cells}{off.wall_s:>12.1f}{on.wall_s:>12.1f}")
    ratio = statistics.median(on.cpu_s / off.cpu_s for off, on in pairs)
    more = {
        name: statistics.median(on.by_process.get(name, 0) - off.by_process.get(name, 0) for off, on in pairs) / pages
        for name in sorted({name for off, on in pairs for name in (*off.by_process, *on.by_process)})
        if name not in DATABASE_SERVERS
    }
    per_page_s = statistics.median(off.cpu_s for off, _ in pairs) / pages
    recording = 1 + sum(seconds for name, seconds in more.items() if name != PARSER) / per_page_s
    print(
        f"\non / off, median of the rounds: CPU {ratio:.3f} (bound {BOUND}); without the parsers' noise {recording:.3f}"
    )
    print("\nCPU ms a page more, by process (medians)")
    for name, seconds in more.items():
        print(f"  {name:<36}{seconds * 1000:>+8.2f}")


if __name__ == "__main__":
    main()
