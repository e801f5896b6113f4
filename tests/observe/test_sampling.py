"""Every process decides alike which documents are kept, and keeps about as many as it was told."""

from uuid import UUID, uuid5

import pytest

from observe.context import TraceContext
from observe.sampling import Sampler

IDS = [uuid5(UUID(int=1), f"https://example.org/{n}").hex for n in range(4000)]


@pytest.mark.parametrize(
    ("sampler", "ratio", "follows"),
    [
        *((None, 1.0, True), ("always_on", 1.0, False), ("always_off", 0.0, False), ("traceidratio", 0.2, False)),
        *(("parentbased_always_on", 1.0, True), ("parentbased_always_off", 0.0, True)),
        *(
            ("parentbased_traceidratio", 0.2, True),
            (" ParentBased_TraceIdRatio ", 0.2, True),
            ("jaeger_remote", 1.0, True),
        ),
    ],
)
def test_the_standard_variables_are_understood(sampler: str | None, ratio: float, follows: bool) -> None:
    variables = {"OTEL_TRACES_SAMPLER_ARG": "0.2"} | ({"OTEL_TRACES_SAMPLER": sampler} if sampler else {})
    assert Sampler.read(variables) == Sampler(ratio, follows_parent=follows)


@pytest.mark.parametrize("given", ["", "a tenth", "-1", "1.5", "nan"])
def test_a_ratio_that_is_none_keeps_everything(given: str) -> None:
    assert Sampler.read({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": given}).ratio == 1.0


@pytest.mark.parametrize("ratio", [0.05, 0.5, 0.9])
def test_documents_are_kept_in_the_wanted_proportion(ratio: float) -> None:
    """Their ids are UUIDs, which are not random in every bit."""
    kept = sum(Sampler(ratio).keeps(trace_id) for trace_id in IDS)
    assert kept == pytest.approx(ratio * len(IDS), rel=0.25)


def test_what_fewer_keep_more_keep_too() -> None:
    few, many = ({trace_id for trace_id in IDS if Sampler(ratio).keeps(trace_id)} for ratio in (0.1, 0.3))
    assert few < many


@pytest.mark.parametrize("sampled", [True, False])
def test_whoever_began_a_trace_decides_for_those_that_follow(sampled: bool) -> None:
    parent = TraceContext(IDS[0], "a" * 16, sampled)
    assert Sampler(0.0).keeps(IDS[0], parent) is sampled
    assert Sampler(0.0, follows_parent=False).keeps(IDS[0], parent) is False
    assert Sampler(1.0, follows_parent=False).keeps(IDS[0], parent) is True
