from collections.abc import Sequence

from shared.errors import InvalidInput, Unavailable
from shared.events.event import CloudEvent
from shared.publish.relay import relay


class Picky:
    """Takes no event whose type is `refused` or `down`."""

    async def publish(self, event: CloudEvent) -> None:
        if event.type == "refused":
            raise InvalidInput("event_refused", "no")
        if event.type == "down":
            raise Unavailable("receiver_unavailable", "no")


async def test_what_left_is_marked_and_what_did_not_holds_up_nothing() -> None:
    marked: list[str] = []

    async def mark(ids: Sequence[str]) -> None:
        marked.extend(ids)

    kinds = ["refused", "fine", "down", "fine"]
    await relay([CloudEvent(str(n), "/s", kind) for n, kind in enumerate(kinds)], Picky(), mark)
    assert marked == ["1", "3"]


async def test_nothing_that_left_marks_nothing() -> None:
    async def mark(ids: Sequence[str]) -> None:
        raise AssertionError(ids)

    await relay([CloudEvent("1", "/s", "down")], Picky(), mark)
