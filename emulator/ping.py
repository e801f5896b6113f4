"""When a PingSource ticks: cron with an optional field for seconds, descriptors such as @hourly, and a time zone."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterError, croniter

from emulator.fields import invalid

_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def check_schedule(schedule: str, timezone: str) -> None:
    """Raises `InvalidInput`."""
    cron = _cron(schedule)
    if len(cron.split()) not in (5, 6) or not croniter.is_valid(cron, second_at_beginning=True):
        raise invalid("spec.schedule", f"{schedule!r} is not a cron schedule of five or six fields")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise invalid("spec.timezone", f"{timezone!r} is not a time zone") from error


def next_tick(schedule: str, timezone: str, after: datetime) -> datetime | None:
    """The first tick later than `after`; None for a date that never comes, such as 30 February."""
    local = after.astimezone(ZoneInfo(timezone))
    try:
        found = croniter(_cron(schedule), local, second_at_beginning=True).get_next(datetime)
    except CroniterError:
        return None
    assert isinstance(found, datetime)
    return found


def _cron(schedule: str) -> str:
    return _DESCRIPTORS.get(schedule.strip(), schedule)
