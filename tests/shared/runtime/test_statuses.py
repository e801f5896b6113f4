"""Errors become statuses that mean the right thing to a broker, in bodies that cannot kill it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import errors
from shared.runtime.statuses import BROKER, MAX_ERROR_BYTES, Audience, error_response

RETRIED_BY_KNATIVE = {404, 408, 409, 429, *range(500, 600)}


# Those every edge knows; an edge may have narrower ones of its own.
ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not errors.SluiceError]


@pytest.mark.parametrize("kind", ERRORS)
def test_a_broker_retries_exactly_what_a_retry_can_help(kind: type[errors.SluiceError]) -> None:
    if kind is not errors.StageFailure:
        status = error_response(kind("code", "message"), "broker").status
        assert (status in RETRIED_BY_KNATIVE) is kind.retryable


def test_narrower_classes_stand_before_their_parents() -> None:
    for index, (kind, _) in enumerate(BROKER):
        assert not any(issubclass(kind, earlier) for earlier, _ in BROKER[:index])


@given(st.text(max_size=3000), st.text(max_size=300), st.sampled_from(["broker", "public"]))
def test_a_body_is_short_json_whatever_the_message(message: str, field: str, audience: Audience) -> None:
    error = errors.InvalidInput("a" * 64, message, field=field)
    response = error_response(error, audience)
    assert len(response.body) <= MAX_ERROR_BYTES
    assert message.startswith(json.loads(response.body)["message"])


@pytest.mark.parametrize(
    ("asked_s", "said"), [(0.2, "1"), (30, "30"), (float("inf"), "86400"), (float("nan"), "86400")]
)
def test_any_wait_becomes_whole_seconds(asked_s: float, said: str) -> None:
    response = error_response(errors.Overloaded("code", "message", retry_after_s=asked_s), "public")
    assert ("retry-after", said) in response.headers


def test_a_short_message_is_whole() -> None:
    body = json.loads(error_response(errors.NotFound("job_unknown", "no such job", field="job_id"), "public").body)
    assert body == {"error": "job_unknown", "message": "no such job", "field": "job_id"}
