"""What the outside sees of the counters: throttle flags and spend keys, on real servers."""

from datetime import timedelta

import pytest

from tests.contract.journal_case import JournalCase
from tollbook.domain.record import Touch

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("nanos", "throttled"), [(99, False), (100, True), (101, True)], ids=str)
async def test_the_flag_stands_at_exactly_the_limit(case: JournalCase, nanos: int, throttled: bool) -> None:
    """Spend that reaches the limit throttles; a nano-dollar less does not."""
    await case.limit(100)
    await case.warm()
    posted = await case.post(nanos)
    assert posted.throttled == (("acme",) if throttled else ())
    assert await case.throttled() is throttled
    assert (await case.view()).throttled is throttled


async def test_the_flag_counts_settled_and_pending_together(case: JournalCase) -> None:
    """Neither part alone reaches the limit; the sum does, and a settle that moves one to the other keeps it."""
    await case.limit(100)
    await case.warm(1, Touch("acme", case.open, 60))
    await case.post(40)
    assert await case.throttled()
    await case.settle((1, 2), Touch("acme", case.open, 100), records=await case.records())
    assert await case.throttled()


async def test_a_duplicate_takes_its_flag_back_at_its_drain(case: JournalCase) -> None:
    """A record that turns out to hold only duplicates sets no flag that outlives it."""
    await case.limit(100)
    await case.warm(1, Touch("acme", case.open, 60))
    await case.post(60)
    assert await case.throttled()
    await case.settle((1, 2), Touch("acme", case.open, 60), records=await case.records())
    assert not await case.throttled()


async def test_a_raised_limit_clears_and_a_lowered_one_sets(case: JournalCase) -> None:
    """The flag follows the limit at the evaluation after its change, both ways."""
    await case.limit(100)
    await case.warm()
    await case.post(100)
    days = [("acme", case.open.day)]
    await case.limit(101, version=2)
    assert await case.journal.evaluate(0, days) == 0
    assert not await case.throttled()
    await case.limit(99, version=3, tenant="acme")
    assert await case.journal.evaluate(0, days) == 1
    assert await case.throttled()


async def test_the_flag_ends_with_its_window(case: JournalCase) -> None:
    """The flag's expiry is the window's end to the millisecond, on the store's own clock."""
    await case.limit(100)
    await case.warm()
    await case.post(100)
    assert await case.store.pexpiretime(case.keys.throttled("acme")) == case.open.end.timestamp() * 1000


@pytest.mark.parametrize("which", ["closed", "future"])
async def test_a_window_that_is_not_open_throttles_nobody(case: JournalCase, which: str) -> None:
    """Late and early spend is counted and shown, and says nothing about now."""
    await case.limit(100)
    await case.warm()
    at = getattr(case, which)
    await case.settle((0, 1), Touch("acme", at, 20_000_000))
    posted = await case.post(30_000_000, at=at)
    assert posted.throttled == ()
    assert await case.journal.evaluate(0, [("acme", at.day)]) == 0
    assert not await case.throttled()
    assert await case.spend(at=at) == b"5"


async def test_a_closed_day_leaves_the_open_days_flag_alone(case: JournalCase) -> None:
    """A late event neither sets nor clears the flag of the day that is open."""
    await case.limit(100)
    await case.warm()
    await case.post(100)
    await case.post(1, at=case.closed)
    await case.settle((0, 1), Touch("acme", case.closed, 1))
    assert await case.throttled()


async def test_nothing_is_evaluated_while_counters_are_incomplete(case: JournalCase) -> None:
    """A partial sum would lower numbers: derived keys stay as they were until the rebuild."""
    await case.limit(100)
    await case.warm(1, Touch("acme", case.open, 100))
    await case.journal.evaluate(0, [("acme", case.open.day)])
    await case.journal.forget(0)
    assert await case.journal.evaluate(0, [("acme", case.open.day)]) == -1
    assert await case.throttled()


@pytest.mark.parametrize(
    ("nanos", "cents"),
    [(0, 0), (4_999_999, 0), (5_000_000, 1), (14_999_999, 1), (15_000_000, 2), (2**53 + 1, 900_719_925)],
    ids=str,
)
async def test_spend_is_shown_in_cents_rounded_half_up(case: JournalCase, nanos: int, cents: int) -> None:
    """The spend key rounds the exact sum, so sub-cent calls count exactly."""
    await case.warm()
    await case.post(nanos)
    assert await case.spend() == str(cents).encode()


async def test_the_spend_key_outlives_its_window_by_three_days(case: JournalCase) -> None:
    """Readers of yesterday's spend still find it; it goes by the store's clock."""
    await case.warm()
    await case.post(1)
    gone = await case.store.pexpiretime(case.keys.spend("acme", case.open.day))
    assert gone == (case.open.end + timedelta(hours=72)).timestamp() * 1000
