"""What to do when the platform's clock was set back: nothing may wait until it comes again to where it was."""

from datetime import datetime, timedelta
from typing import Final

from shared.pipeline.policy import Policy
from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("clock")
# Processes that did not hear of it yet may still write moments of the old time: it is looked for them for so long.
_AFTERMATH: Final = timedelta(minutes=5)


async def follow(store: Store, now: datetime, policy: Policy) -> None:
    """Whatever waits, waits no longer than it would have in the worst case, from now on. Twice is as good as once."""
    await store.fetch(_SQL["note"], now)
    await _cut_short(store, now, policy)


async def follow_up(store: Store, now: datetime, policy: Policy) -> None:
    """Again, if it was only just set back."""
    row = await store.fetch_row(_SQL["noted_since"], now - _AFTERMATH)
    if row and row[0]:
        await _cut_short(store, now, policy)


async def _cut_short(store: Store, now: datetime, policy: Policy) -> None:
    await store.fetch(_SQL["waits"], now, policy.retry_cap_s, policy.result_wait_s(0))
    await store.fetch(_SQL["domains"], now)
    await store.fetch(_SQL["deliveries"], now, policy.retry_cap_s)
    await store.fetch(_SQL["sights"], now)
