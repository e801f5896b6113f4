"""Numbers and moments as people say them. Pure."""

from datetime import UTC, datetime, timedelta


def times(number: int) -> str:
    return {1: "Once", 2: "Twice"}.get(number, f"{number} times")


def count(number: int | None, one: str, many: str = "") -> str:
    return f"{number or 0:,} {one if number == 1 else many or f'{one}s'}"


def moment(when: datetime, now: datetime) -> str:
    """By the clock, and how far away that is."""
    seconds = (when - now).total_seconds()
    if abs(seconds) < 0.5:
        return "now"
    return f"{clock(when)} ({f'in {span(seconds)}' if seconds > 0 else f'{span(-seconds)} ago'})"


def clock(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def span(seconds: float) -> str:
    """Two units at most: 0.3 s, 12 s, 2 min 5 s, 3 h 4 min, 2 d 3 h."""
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = timedelta(seconds=round(seconds))
    minutes, rest = divmod(round(whole.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next(at for at, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number)
