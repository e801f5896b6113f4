"""Whether what calls itself a page is one: labels lie, and a PDF's bytes would be found as if they were words."""

import re

from shared.errors import Permanent

LOOKED_AT_CHARS = 64 * 1024
# A tenth of random bytes are such characters; pages that hold any hold a handful.
MOST_CONTROL_SHARE = 0.02

_FILES = (b"%PDF-", b"PK\x03\x04", b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"\x1f\x8b\x08", b"\x7fELF")
# Without NUL, with which pages are padded, and without escape, which terminals' output is full of.
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def check_text(body: bytes, text: str) -> None:
    """`text` is what `body` was decoded to. Raises `Permanent` unsupported_content_type."""
    start = text[:LOOKED_AT_CHARS]
    if body.startswith(_FILES) or len(_CONTROL.findall(start)) > MOST_CONTROL_SHARE * len(start):
        raise Permanent("unsupported_content_type", "the page is labelled as text, but its content is something else")
