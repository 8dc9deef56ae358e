"""What `make soak` runs for ten minutes, for a few seconds."""

from pathlib import Path

import pytest

from tests.fault.soak import soak


@pytest.mark.parametrize(
    "minutes",
    [pytest.param(0.2, id="short"), pytest.param(10, id="long", marks=[pytest.mark.slow, pytest.mark.timeout(1_200)])],
)
def test_no_call_is_refused_that_could_have_been_allowed(tmp_path: Path, minutes: float) -> None:
    outcome = soak(tmp_path / "data", minutes)
    assert outcome.false == []
    assert outcome.held_nanos == 0
    assert outcome.answers["allow"] > 20
    assert outcome.crashed > 5
