"""A few minutes' worth of bad luck in one: what `make chaos` does, with fewer kills."""

from pathlib import Path

import pytest

from tests.fault.chaos import report, run, schedule

SEED = "make test"


@pytest.mark.parametrize(
    "kills",
    [pytest.param(8, id="some"), pytest.param(100, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def test_the_books_are_right_whatever_is_killed(tmp_path: Path, kills: int, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        outcome = run(tmp_path, SEED, kills, lambda text: None)
    told = "\n".join(report(outcome))
    assert not outcome.verdict.differences, f"seed {SEED!r}\n{told}"
    assert outcome.tally.acked, told


def test_a_seed_always_gives_the_same_faults() -> None:
    faults = schedule("a", 200)
    assert faults == schedule("a", 200)
    assert faults != schedule("b", 200)
    assert sum(fault.kind == "kill" for fault in faults) == 200
    assert {fault.target.partition("-")[0] for fault in faults} == {"serve", "worker", "drain", "valkey", "postgres"}
