"""The pages of the demo: our own small site about waterways, or a folder of recorded pages."""

import gzip
import html
import json
import re
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

from shared.errors import InvalidInput

HERE = Path(__file__).parent
NAVIGATION = ("pound-lock", "sluice-gate", "docs-install", "tide-table", "thread-leak", "schleuse", "glossary")
ROBOTS = "User-agent: *\nDisallow: /private/\n"


@dataclass(frozen=True)
class Page:
    """What the server answers for one path."""

    body: bytes
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    location: str | None = None

    @property
    def etag(self) -> str:
        return f'"{sha256(self.body).hexdigest()[:16]}"'


def own_site() -> dict[str, Page]:
    """Path to page. Includes what a crawler meets: a redirect, a missing page, a forbidden one, an image."""
    site = {f"/{path.stem}": Page(_layout(path).encode()) for path in sorted((HERE / "pages").glob("*.html"))}
    site["/logbook"] = Page(_logbook().encode())
    site["/timetable.txt"] = Page(_timetable().encode(), "text/plain; charset=utf-8")
    site["/latin1"] = Page(_latin1(), "text/html; charset=iso-8859-1")
    site["/old-locks"] = Page(b"", status=301, location="/pound-lock")
    site["/gone"] = Page(b"<h1>Not found</h1>", status=404)
    site["/private/plans"] = Page(b"<p>Not for crawlers.</p>")
    site["/map.png"] = Page(b"\x89PNG\r\n\x1a\n", "image/png")
    return site


def recorded_site(folder: Path) -> dict[str, Page]:
    """Serves `folder/manifest.jsonl` (objects with `id` and `file`, optionally gzipped) as /<id>."""
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        raise InvalidInput(
            "manifest_missing", f"{manifest} does not exist; --pages needs a manifest.jsonl", field="--pages"
        )
    return {f"/{entry['id']}": Page(_read(folder / entry["file"])) for entry in map(json.loads, manifest.open())}


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def _layout(path: Path) -> str:
    """The article inside what surrounds every real one: navigation, a sidebar, a footer."""
    fragment = path.read_text(encoding="utf-8")
    meta = dict(re.findall(r"<!-- (\w+): (.*?) -->", fragment))
    body = re.sub(r"<!-- .*? -->\n", "", fragment)
    title = html.escape(meta["title"])
    links = "".join(f'<li><a href="/{name}">{name.replace("-", " ")}</a></li>' for name in NAVIGATION)
    author = f'<meta name="author" content="{html.escape(meta["author"])}">' if meta["author"] else ""
    return f"""<!doctype html><html lang="{meta["lang"]}"><head><meta charset="utf-8"><title>{title} | Waterways</title>
{author}<meta property="article:published_time" content="{meta["date"]}"></head>
<body><header><a href="/">Waterways</a><nav><ul>{links}</ul></nav></header>
<main><article><h1>{title}</h1>{body}</article></main>
<aside><h2>Newsletter</h2><form><input type="email"><button>Subscribe</button></form></aside>
<footer>Waterways, a demonstration site. Cookies: none.</footer></body></html>"""


def _logbook() -> str:
    """A very long page: one entry for every day of a year."""
    vessels = ("Perseverance", "Heron", "Anna Maria", "Long Patience", "Kittiwake", "Two Sisters", "Resolute")
    skies = ("fog until ten", "a dry east wind", "steady rain", "clear and cold", "thunder in the afternoon")
    first = date(2023, 1, 1)
    entries = [
        f"<p><b>{day:%d %B}</b>. Level at the upper sill {148 + day.toordinal() * 7 % 23} centimetres, "
        f"{skies[number % 5]}. "
        f"{1 + number * 5 % 11} boats up and {1 + number * 3 % 9} down; the first was the {vessels[number % 7]}. "
        f"Greased the {'upper' if number % 2 else 'lower'} paddle racks after {number % 12 + 6} o'clock.</p>"
        for number, day in ((n, first + timedelta(days=n)) for n in range(365))
    ]
    return (
        '<!doctype html><html lang="en"><head><title>Logbook of the summit lock, 2023</title></head><body><article>'
        f"<h1>Logbook of the summit lock, 2023</h1>{''.join(entries)}</article></body></html>"
    )


def _timetable() -> str:
    hours = "\n".join(
        f"{hour:02d}:10  basin to summit, calling at Mill, Chapel and Heron locks" for hour in range(7, 19, 2)
    )
    return f"Waterbus, summer timetable\n\n{hours}\n\nDogs travel free. The last boat waits for the evening train.\n"


def _latin1() -> bytes:
    text = "Der Fährmann über den Fluß erzählt gern von früher: von Flößen, Mühlen und dem großen Eisgang."
    return f'<html lang="de"><head><title>Die Fähre</title></head><body><p>{text}</p></body></html>'.encode("latin-1")
