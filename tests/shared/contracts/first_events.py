"""One event of each type, as the first commit that had them all sent it: a sender or an outbox may be that old."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

from shared.events.codec import STRUCTURED, decode
from shared.events.event import CloudEvent

# Written once, by `shared.contracts` and `shared.events` as they were then, and never again.
LINES: Final = (Path(__file__).parent / "first_events.jsonl").read_text(encoding="utf-8").splitlines()
KEY: Final = b"a key of the golden events"
JOB: Final = UUID("0b2f6d3a-5c1e-4d8f-9a70-1c2d3e4f5a6b")
URL: Final = "https://example.org/a"
DOCUMENT: Final = uuid5(JOB, URL)


@dataclass(frozen=True, slots=True)
class Sent:
    """An event in both forms that travel."""

    headers: dict[str, str]
    body: bytes
    structured: bytes

    @property
    def events(self) -> tuple[CloudEvent, CloudEvent]:
        return decode(self.headers, self.body), decode({"content-type": STRUCTURED}, self.structured)


def sent() -> dict[str, Sent]:
    """By type: `document.scraped`."""
    lines = [json.loads(line) for line in LINES]
    return {
        line["headers"]["ce-type"].removeprefix("dev.sluice.").removesuffix(".v1"): Sent(
            line["headers"], line["body"].encode(), line["structured"].encode()
        )
        for line in lines
    }
