"""Pages a second of a whole platform with an H100 behind it, and who spends the time.

    python -m benchmarks.whole_platform --pages DIR --tokenizer FILE [--copies N] [--scrapers N] [--without-gpu]

Serves every recorded page under N addresses on four ports, has them indexed twice with the settings of the tier `h100`
(pages of no delay between them: politeness is what it leaves out) and the endpoint of `benchmarks.bert_large`, and
prints pages a second, how busy the GPU was, and CPU by process. `--scrapers` lifts the bound of the class io-burst.
"""

import argparse
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import yaml

from benchmarks.embedding_tier import counts, endpoint
from benchmarks.processes import CpuMeter
from cli import running
from demo.pages import recorded_site
from demo.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
SITES = 4


@contextmanager
def site(pages: Path) -> Iterator[str]:
    """A process of its own, since one that serves the whole load would be what is measured."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(pages, port), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.join()


def _serve(pages: Path, port: int) -> None:
    served = {path: page.body for path, page in recorded_site(pages).items()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = served.get(self.path.partition("?")[0])
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: object) -> None:
            """Nobody reads it."""

    ThreadingHTTPServer.request_queue_size = 512
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


@dataclass(frozen=True)
class Platform:
    """A running one, in a copy of the tree; `root` is its emulator."""

    tree: Path
    environment: dict[str, str]
    options: list[str]

    def sluice(self, *words: str, quiet: bool = False) -> None:
        command = [sys.executable, "-m", "cli.main", *words, *self.options]
        output = subprocess.DEVNULL if quiet else None
        subprocess.run(command, cwd=self.tree, env=self.environment, check=not quiet, stdout=output, stderr=output)

    def ingest(self, corpus: str, urls: Sequence[str]) -> float:
        """Seconds until every page has ended; some of the recorded ones fail for good."""
        listed = self.tree / "urls.txt"
        listed.write_text("\n".join(urls))
        began = time.perf_counter()
        self.sluice("ingest", "--corpus", corpus, "--from-file", str(listed), "--wait", quiet=True)
        return time.perf_counter() - began


@contextmanager
def platform(embedder: str, tokenizer: Path, scrapers: int | None) -> Iterator[tuple[Platform, psutil.Process]]:
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        tree, data_dir = Path(folder) / "tree", Path(folder) / "data"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        classes = (tree / "resource-classes.yml").read_text()
        settings = yaml.safe_load(classes)["tiers"]["h100"]["environment"]
        if scrapers:
            bound = re.sub(r"(io-burst:.*max_scale: )\d+", rf"\g<1>{scrapers}", classes)
            (tree / "resource-classes.yml").write_text(bound)
            settings["SCRAPE_SLOTS"] = str(scrapers)
        own = {
            "SCRAPE_ALLOW_NETWORKS": "127.0.0.0/8",
            "SCRAPE_DOMAIN_DELAY_SECONDS": "0",
            "SCRAPE_CONCURRENCY": "32",
            "EMBEDDING_API_BASE_URL": f"{embedder}/v1",
            "EMBEDDING_TOKENIZER": str(tokenizer.resolve()),
        }
        options = ["--port", str(free_port()), "--data-dir", str(data_dir)]
        there = Platform(tree, {**os.environ, **settings, **own}, options)
        there.sluice("up", "--detach")
        try:
            announced = running.read(data_dir)
            assert announced is not None
            yield there, psutil.Process(announced.pid)
        finally:
            there.sluice("down")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=5)
    parser.add_argument("--scrapers", type=int)
    parser.add_argument("--without-gpu", action="store_true")
    options = parser.parse_args()
    paths = list(recorded_site(options.pages))
    with ExitStack() as stack:
        sites = [stack.enter_context(site(options.pages)) for _ in range(SITES)]
        url = stack.enter_context(endpoint(options.tokenizer, *(["--without-gpu"] if options.without_gpu else [])))
        there, root = stack.enter_context(platform(url, options.tokenizer, options.scrapers))
        there.ingest("warm", [sites[0] + path for path in paths[:40]])
        urls = [f"{sites[copy % SITES]}{path}?copy={copy}" for copy in range(options.copies) for path in paths]
        for corpus in ("first", "second"):
            meter, before = CpuMeter(root), counts(url)
            wall_s = there.ingest(corpus, urls)
            cpu, after = meter.stop(), counts(url)
            busy, tokens = (after[key] - before[key] for key in ("busy_s", "tokens"))
            print(f"\n{corpus}: {len(urls)} pages, {wall_s:.1f} s, {len(urls) / wall_s:.0f} pages/s; ", end="")
            print(f"GPU busy {busy / wall_s:.0%}, {tokens / wall_s:,.0f} tokens/s; {os.cpu_count()} cores")
            for name, seconds in sorted(cpu.items(), key=lambda item: -item[1])[:10]:
                print(f"  {name:<36}{seconds / len(urls) * 1000:>8.1f} ms of CPU a page", flush=True)


if __name__ == "__main__":
    main()
