"""What JSON may hold as it is, and a terminal or a reader of lines takes for more than a letter."""

import re
from typing import Final

# C1 controls, marks of direction, other ends of lines, and halves of letters, which no stream can be given.
_UNSEEN: Final = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def escaped(json_text: str) -> str:
    """The same JSON, on one line and without them."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)
