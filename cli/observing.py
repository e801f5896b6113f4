"""What can be seen of a platform, in a line for those who start it or ask how it is."""

from collections.abc import Mapping
from typing import Any

from cli.text import plural


def observing(*, kept: bool) -> str:
    if kept:
        return "to see what goes on: `sluice top`, `sluice why URL`, and `sluice trace URL`, for which traces are kept"
    return "to see what goes on: `sluice top`, `sluice why URL`; `sluice up --observe` keeps traces for `sluice trace`"


def so_far(said: Mapping[str, Any] | None) -> str:
    """`said` is what the emulator tells of the spans that came; None where it keeps none."""
    if said is None:
        return "traces are not kept: `sluice up --observe` keeps them for `sluice trace`"
    dropped = f", {said['dropped']:,} dropped" if said["dropped"] else ""
    part = f", of {said['ratio']:.1%} of all traces" if said["ratio"] < 1 else ""
    return (
        f"traces are kept: {plural(said['kept'], 'span')} since the start{dropped}{part}; look with `sluice trace URL`"
    )
