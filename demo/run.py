"""The demo: a small site, indexed before your eyes, then searched."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.endings import end_in_order
from demo.pages import Page, own_site, recorded_site
from demo.ports import free_port
from demo.site import serve
from shared.errors import InvalidInput

ROOT = Path(__file__).resolve().parent.parent
OWN_SEARCHES = (
    "how does a lock save water",
    "Sparschleuse Wasser sparen",
    "which paddle keys are case-sensitive in the config",
)
RECORDED_SEARCHES = ("health benefits of food", "install and configure the library", "compare prices before you buy")


@dataclass(frozen=True)
class Platform:
    """A platform of the demo's own, beside any other on this machine."""

    port: int
    data_dir: Path

    def sluice(
        self, command: str, *arguments: str, stdout: int | None = None, stderr: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Once interrupted, it waits until the command has tidied up after itself."""
        line = [sys.executable, "-m", "cli.main", command, "--port", str(self.port), "--data-dir", str(self.data_dir)]
        line += arguments
        with subprocess.Popen(line, cwd=ROOT, env=_environment(), stdout=stdout, stderr=stderr, text=True) as process:
            try:
                out, _ = process.communicate()
            except KeyboardInterrupt:
                process.terminate()
                raise
        return subprocess.CompletedProcess(line, process.returncode, out)


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    end_in_order()
    try:
        pages = recorded_site(options.pages) if options.pages else own_site()
        with serve(pages) as site, _platform(options.keep) as platform:
            searches = RECORDED_SEARCHES if options.pages else OWN_SEARCHES
            return _show(platform, site, pages, searches, keep=options.keep, observe=options.observe)
    except InvalidInput as exc:
        print(f"demo: {exc.message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("demo: stopped; nothing is left behind", file=sys.stderr)
        return 130


def _show(
    platform: Platform, site: str, pages: dict[str, Page], searches: Sequence[str], *, keep: bool, observe: bool
) -> int:
    print(f"demo: starting a platform in {platform.data_dir}", flush=True)
    if platform.sluice("up", "--detach", *(["--observe"] if observe else [])).returncode:
        return 1
    print(f"\ndemo: indexing {len(pages)} pages of {site}", flush=True)
    # In the platform's own folder, which goes with it, whenever we are interrupted.
    urls = platform.data_dir / "demo.urls"
    urls.write_text("\n".join(site + path for path in pages))
    if platform.sluice("ingest", "--corpus", "demo", "--wait", "--from-file", str(urls)).returncode not in (0, 3):
        return 1
    for query in searches:
        print(f"\n$ sluice search --corpus demo -k 3 {query!r}", flush=True)
        platform.sluice("search", "--corpus", "demo", "-k", "3", query)
    job = _last_job(platform)
    if observe:
        print(f"\n$ sluice trace {job['job_id']}", flush=True)
        platform.sluice("trace", job["job_id"])
    print("\n" + _line(job), flush=True)
    if keep:
        print(_how_to_go_on(platform))
    return 0


def _last_job(platform: Platform) -> dict[str, Any]:
    listed = json.loads(platform.sluice("jobs", "--json", stdout=subprocess.PIPE).stdout)
    job_id = listed["jobs"][0]["job_id"]
    job: dict[str, Any] = json.loads(platform.sluice("jobs", job_id, "--json", stdout=subprocess.PIPE).stdout)
    return job


def _line(job: dict[str, Any]) -> str:
    """What all of it comes to."""
    documents = job["documents"]
    good = [d for d in documents if d["status"] in ("indexed", "unchanged")]
    chunks, tokens = sum(d["chunks"] or 0 for d in good), sum(d["tokens"] or 0 for d in good)
    reasons = sorted({d["error_code"] for d in documents if d["error_code"]})
    rest = f", {len(documents) - len(good)} refused ({', '.join(reasons)})" if reasons else ""
    work = f"{chunks} chunks, {tokens} tokens, {job['seconds']:.1f} s"
    return f"demo: indexed {len(good)} of {len(documents)} pages, {work}{rest}"


def _how_to_go_on(platform: Platform) -> str:
    which = f"--port {platform.port} --data-dir {platform.data_dir}"
    return (
        "\nThe platform stays up.\n"
        f"  search:  ./scripts/sluice search --corpus demo {which} 'your question'\n"
        f"  look:    ./scripts/sluice status {which}\n"
        f"  stop:    ./scripts/sluice down {which}"
    )


@contextmanager
def _platform(keep: bool) -> Iterator[Platform]:
    """A folder and a port; whatever happens, the platform is gone afterwards unless it is to be kept."""
    platform = Platform(free_port(), Path(tempfile.mkdtemp(prefix="sluice-demo-")))
    kept = False
    try:
        yield platform
        kept = keep
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be gone
            print("\ndemo: stopping", file=sys.stderr, flush=True)
        raise
    finally:
        if not kept:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            platform.sluice("down", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            shutil.rmtree(platform.data_dir, ignore_errors=True)


def _environment() -> dict[str, str]:
    return {"SCRAPE_ALLOW_NETWORKS": "127.0.0.0/8", "SCRAPE_DOMAIN_DELAY_SECONDS": "0", **os.environ}


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument(
        "--pages", type=Path, metavar="DIR", help="serve this folder (with a manifest.jsonl) instead of our own site"
    )
    parser.add_argument(
        "--observe", action="store_true", help="keep traces, and show where the time of the slowest went"
    )
    parser.add_argument("--keep", action="store_true", help="leave the platform up")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
