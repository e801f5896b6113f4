"""What the first senders sent is read by today's code: their signatures hold, and nothing in them is unknown."""

import pytest

from shared.contracts.envelope import from_event
from shared.contracts.registry import MODELS
from shared.events.signing import Signer
from tests.shared.contracts.first_events import KEY, sent

SENT = sent()


@pytest.mark.parametrize("name", SENT)
def test_an_event_of_the_first_days_is_read_in_both_forms(name: str) -> None:
    binary, structured = SENT[name].events
    assert binary == structured
    Signer.from_secret(KEY).verify(binary)
    payload = from_event(binary)
    assert payload.event_type == f"dev.sluice.{name}.v1"
    assert isinstance(binary.data, dict)
    today = payload.model_dump(mode="json")
    assert {field: today[field] for field in binary.data} == binary.data, "what was said then means the same now"


def test_every_type_of_the_first_days_is_still_one() -> None:
    assert len(SENT) == 15
    assert {f"dev.sluice.{name}.v1" for name in SENT} <= set(MODELS)
