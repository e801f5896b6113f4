"""Whether a function is in trouble, from what the emulator says of it. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from cli.text import seconds

# A replica that was lost and has long been replaced is history, and would hide what is wrong now.
RECENT_S: Final = 60.0


def trouble(said: Mapping[str, Any]) -> str:
    """Why its last replica was lost, and when: while none is ready in its place, and for a minute. Empty: none was."""
    age_s = said["reason_age_s"]
    stands = said["failures"] and not said["ready"]
    if not said["reason"] or (age_s >= RECENT_S and not stands):
        return ""
    return f"{said['reason']}, {seconds(age_s)} ago"
