"""Fuzzing that follows the code it reaches, by atheris (`pip install atheris`; no dependency of ours).

`python -m tests.fuzz.guided TARGET [-runs=N] [-max_total_time=SECONDS] [FOLDER_OF_INPUTS]`: libFuzzer's own arguments.
What crashes becomes a test in this folder.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["functions", "shared", "emulator"]):
    from emulator.eventing import load as load_eventing
    from emulator.knative.functions import load as load_functions
    from emulator.manifests import read_stack
    from functions.scrape.body import decode, unpack
    from functions.scrape.extraction import from_html
    from functions.scrape.rules import parse
    from functions.scrape.sitemaps import parse as parse_sitemap
    from shared.contracts.envelope import from_event
    from shared.errors import InvalidInput, SluiceError, StageFailure
    from shared.events.codec import STRUCTURED, encode_structured
    from shared.events.codec import decode as decode_event
    from shared.urls import normalise

ENCODINGS = (None, "gzip", "br", "zstd", "deflate")


def body(data: bytes) -> None:
    with suppress(StageFailure):
        decode(unpack(data[1:], ENCODINGS[(data or b"\0")[0] % len(ENCODINGS)]), "text/html")


def markup(data: bytes) -> None:
    with suppress(StageFailure):
        assert "\0" not in from_html(data.decode("utf-8", "replace"), "http://a.example/", "sluice").text


def robots(data: bytes) -> None:
    parse(data, "sluice").allows("/a/b?c")


def sitemap(data: bytes) -> None:
    with suppress(StageFailure):
        parse_sitemap(data)


def url(data: bytes) -> None:
    with suppress(InvalidInput):
        found = normalise(data.decode("utf-8", "replace"))
        assert normalise(found) == found


def event(data: bytes) -> None:
    with suppress(SluiceError):
        found = decode_event({"content-type": STRUCTURED}, data)
        assert decode_event({"content-type": STRUCTURED}, encode_structured(found)) == found
        from_event(found)


def manifests(data: bytes) -> None:
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        folder = Path(name)
        (folder / "stack.yml").write_bytes(data)
        for read in (
            lambda: read_stack(folder / "stack.yml", None, {}),
            lambda: load_eventing(folder),
            lambda: load_functions(folder),
        ):
            with suppress(InvalidInput):
                read()


TARGETS: dict[str, Callable[[bytes], None]] = {
    found.__name__: found for found in (body, markup, robots, sitemap, url, event, manifests)
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"which one? {', '.join(TARGETS)}")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
