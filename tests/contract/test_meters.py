"""Meters other than the tenant's day: rebuilt, swept, and the throttle flag that follows from them."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.holds_case import RUN, HoldsCase
from tests.contract.journal_case import EPOCH, JournalCase
from tollbook.domain.budget import Action, Budget
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.domain.record import MeterTotal, MeterTouch, Touch

pytestmark = pytest.mark.anyio
MONTH = "usd|month:2026-01|tenant|"
NEXT_MONTH = "usd|month:2026-02|tenant|"
HOURLY = "calls|hour:2026-01-02+3|tenant|"


@pytest.fixture
async def holds(case: JournalCase) -> HoldsCase:
    await case.warm()
    return HoldsCase(case)


def budget(limit: int, **fields: object) -> Budget:
    given = {"id": "b", "scope": ScopeKind.TENANT, "window": WindowKind.MONTH, "unit": Unit.USD, **fields}
    return Budget(limit=limit, **given)


async def flag_until(holds: HoldsCase) -> int | None:
    """When the flag of acme ends, or None where there is none."""
    found = await holds.case.store.pexpiretime(holds.case.keys.throttled("acme"))
    return found if found > 0 else None


async def spend(holds: HoldsCase, nanos: int, *meters: str, until_ms: int | None = None) -> tuple[str, ...]:
    touches = [MeterTouch("acme", meter, nanos, until_ms or holds.closes + 1_000) for meter in meters or (MONTH,)]
    return (await holds.post(nanos, meters=touches)).throttled


@pytest.mark.parametrize(("nanos", "throttled"), [(99, ()), (100, ("acme",))], ids=str)
async def test_a_months_limit_raises_the_flag_until_the_month_ends(
    holds: HoldsCase, nanos: int, throttled: tuple[str, ...]
) -> None:
    """The flag stands at exactly the limit, and no longer than the window that is over it."""
    await holds.budgets(budget(100))
    assert await spend(holds, nanos) == throttled
    assert await flag_until(holds) == (holds.closes + 1_000 if throttled else None)
    assert await holds.case.journal.evaluate(0, [], ["acme"]) == len(throttled)


@pytest.mark.parametrize("action", [Action.NOTIFY, Action.DEGRADE])
async def test_a_budget_that_refuses_nothing_raises_no_flag(holds: HoldsCase, action: Action) -> None:
    """Only throttle and block do; and one of another scope is no matter of the tenant's."""
    other = budget(1, scope=ScopeKind.AGENT, match="planner")
    await holds.budgets(budget(1, action=action, degrade_to="m"), other)
    assert await spend(holds, 5, MONTH, "usd|month:2026-01|agent|planner") == ()
    assert await flag_until(holds) is None


async def test_the_flag_lives_until_the_latest_of_the_windows_that_are_over(holds: HoldsCase) -> None:
    """Of a day, an hour and a month the flag outlives what ends first, and goes when the last is raised."""
    await holds.case.limit(5)
    await holds.budgets(budget(5), budget(1, window=WindowKind.HOUR, unit=Unit.CALLS, action=Action.BLOCK))
    await spend(holds, 1, HOURLY, until_ms=holds.closes - 60_000)
    assert await flag_until(holds) == holds.closes - 60_000
    await spend(holds, 4, "usd|month:2026-01|agent|x")
    assert await flag_until(holds) == holds.closes
    await spend(holds, 5)
    assert await flag_until(holds) == holds.closes + 1_000
    await holds.budgets(budget(6), version=2)
    assert await flag_until(holds) == holds.closes
    await holds.case.limit(100, version=2)
    assert await holds.case.journal.evaluate(0, [("acme", holds.case.open.day)]) == 0
    assert await holds.case.journal.evaluate(0, [], ["acme"]) == 0
    assert await flag_until(holds) is None


async def test_a_limit_below_what_is_spent_sets_the_flag_at_once(holds: HoldsCase) -> None:
    """Putting budgets is enough, up and down; and so is taking them away."""
    await spend(holds, 50)
    for version, limit, standing in ((1, 51, False), (2, 50, True), (3, 51, False), (4, 10, True)):
        await holds.budgets(budget(limit), version=version)
        assert (await flag_until(holds) is not None) is standing
    await holds.budgets(version=5)
    assert await flag_until(holds) is None


async def test_everyones_budget_holds_for_who_has_no_own(holds: HoldsCase) -> None:
    """A tenant's own of the same meter wins, also one that refuses nothing."""
    await holds.budgets(budget(5), tenant=None)
    await spend(holds, 5)
    assert await flag_until(holds) is not None
    await holds.budgets(budget(6))
    assert await flag_until(holds) is None
    await holds.budgets(budget(1, action=Action.NOTIFY), version=2)
    assert await flag_until(holds) is None
    await holds.budgets(version=3)
    assert await flag_until(holds) is not None


async def test_a_budget_that_ends_by_itself_takes_its_flag_along(holds: HoldsCase) -> None:
    """The flag ends no later than the budget; one that has ended raises none."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    await holds.budgets(budget(5, expires_at=ends))
    await spend(holds, 5)
    assert await flag_until(holds) == int(ends.timestamp() * 1000)
    await holds.budgets(budget(5, expires_at=ends - timedelta(minutes=10)), version=2)
    assert await flag_until(holds) is None
    assert await holds.case.journal.evaluate(0, [], ["acme"]) == 0


async def test_a_duplicates_flag_goes_with_its_record(holds: HoldsCase) -> None:
    """Settled and pending count together; a record that booked nothing takes back what it raised."""
    await holds.budgets(budget(100))
    await holds.settle((0, 1), MeterTotal("acme", MONTH, 60, holds.closes + 1_000))
    await spend(holds, 60)
    assert await flag_until(holds) is not None
    await holds.settle((1, 2), totals=[Touch("acme", holds.case.open, 60)], records=await holds.case.records())
    assert await flag_until(holds) is None


async def test_a_total_alone_raises_the_flag(holds: HoldsCase) -> None:
    """A new budget's backfill brings totals of meters without any day's."""
    await holds.budgets(budget(100))
    await holds.settle((0, 1), MeterTotal("acme", MONTH, 100, holds.closes + 9_000))
    assert await flag_until(holds) == holds.closes + 9_000
    # The ledger knows a bound of the window's end; whoever posts knows the end.
    await spend(holds, 0)
    assert await flag_until(holds) == holds.closes + 1_000


async def test_a_late_event_of_a_closed_day_counts_in_its_month(holds: HoldsCase) -> None:
    """The day it belongs to says nothing about now; the month does, and the open day keeps its say."""
    await holds.case.limit(50)
    await holds.budgets(budget(100))
    await spend(holds, 50)
    assert await flag_until(holds) == holds.closes
    record = holds.case.record(Touch("acme", holds.case.closed, 40))
    touch = MeterTouch("acme", MONTH, 40, holds.closes + 1_000)
    await holds.case.journal.post(type(record)(0, record.nonce, 1, record.touches, b"rows", (touch,)))
    assert await flag_until(holds) == holds.closes
    await holds.case.journal.post(type(record)(0, b"n" * 16, 1, record.touches, b"rows", (touch,)))
    assert await flag_until(holds) == holds.closes + 1_000


async def test_a_window_of_the_future_waits_for_the_present_one(holds: HoldsCase) -> None:
    """An event dated minutes ahead, in the next month, throttles nobody in this one."""
    await holds.budgets(budget(100))
    await spend(holds, 1)
    await spend(holds, 100, NEXT_MONTH, until_ms=holds.closes + 10_000)
    assert await flag_until(holds) is None
    await spend(holds, 99)
    assert await flag_until(holds) == holds.closes + 1_000


async def test_a_closed_window_says_nothing(holds: HoldsCase) -> None:
    """Spend of an hour that is over is counted and raises no flag."""
    await holds.budgets(budget(1, window=WindowKind.HOUR, unit=Unit.CALLS))
    await spend(holds, 5, HOURLY, until_ms=holds.closes - 3 * 3_600_000)
    assert await flag_until(holds) is None


async def test_a_rebuild_brings_meters_and_flags_back(case: JournalCase) -> None:
    """Window meters are loaded, runs are left for who asks; what the ledger does not have is taken away."""
    holds = HoldsCase(case)
    await case.warm()
    gone = holds.meter()
    await holds.settle((0, 1), holds.total(gone, 3))
    await holds.load({RUN: 5}, version=1)
    await case.journal.forget(0)
    assert await case.journal.rebuild_begin(0, "t")
    assert await case.journal.rebuild_load(0, "t", [], [MeterTotal("acme", MONTH, 100, holds.closes)])
    kept = (await case.journal.open_meters(0, 0, 100))[1]
    assert {meter for _, meter in kept} == {MONTH, gone, RUN}
    others = [entry for entry in kept if entry[1] != MONTH]
    assert not await case.journal.rebuild_clear(0, "another", [], others)
    assert await case.journal.rebuild_clear(0, "t", [], others)
    assert await holds.settled() == {MONTH: 100}
    await holds.budgets(budget(100))
    assert await flag_until(holds) is None
    assert await case.journal.rebuild_open(0, "t", ledger_epoch=EPOCH, version=1, quarantine_ms=0)
    assert await case.journal.evaluate(0, [], ["acme"]) == 1
    assert await flag_until(holds) == holds.closes
    assert (await holds.hold("h", holds.check(RUN, 10, 1), versions=(0, 1))).missing == (0,)


async def test_only_meters_closed_and_at_rest_are_swept(holds: HoldsCase) -> None:
    """Pending or held keeps a meter; a run is kept for a day after it was last touched; nothing else is left."""
    past, calls = holds.closes - 3 * 3_600_000, holds.meter()
    busy, held, rest = (holds.meter(scope=f"agent|{name}") for name in ("busy", "held", "rest"))
    await holds.settle((0, 1), *(MeterTotal("acme", meter, 3, past) for meter in (held, rest)), holds.total(calls, 1))
    await holds.load({RUN: 5}, version=1)
    await holds.post(0, meters=[MeterTouch("acme", busy, 2, past), MeterTouch("acme", HOURLY, 0, past)])
    await holds.hold("h", holds.check(held, 10, 1))
    assert await holds.case.journal.closed_meters(0, 3 * 3_600_000, 10) == []
    closed = await holds.case.journal.closed_meters(0, 0, 10)
    assert {meter for _, meter in closed} == {busy, held, rest, HOURLY}
    everything = [*closed, ("acme", calls), ("acme", RUN)]
    assert await holds.case.journal.sweep_meters(0, 0, everything) == 2
    assert await holds.settled() == {held: 3, calls: 1, RUN: 5}
    await holds.release("h")
    await holds.settle((1, 2), records=await holds.case.records())
    assert await holds.case.journal.sweep_meters(0, 0, everything) == 2
    await holds.pass_time(24 * 3_600_000)
    assert await holds.case.journal.closed_meters(0, 0, 10) == [("acme", calls), ("acme", RUN)]
    assert await holds.case.journal.sweep_meters(0, 0, everything) == 2
    assert await holds.case.journal.open_meters(0, 0, 10) == (0, [])
    left = await holds.case.store.hkeys(holds.case.keys.tenant(0, "acme"))
    assert {field.decode().split(":")[0] for field in left} <= {"day"}


async def test_a_closed_day_takes_its_mark_of_the_limit_along(case: JournalCase) -> None:
    """Nothing of a swept day is left beside the meters."""
    await case.limit(5)
    await case.warm()
    await case.post(5)
    key = case.keys.tenant(0, "acme")
    assert await case.store.hget(key, "od") == str(int(case.open.end.timestamp() * 1000)).encode()
    await case.settle((0, 1), Touch("acme", case.open, 5), records=await case.records())
    holds = HoldsCase(case)
    await holds.pass_time(2 * 3_600_000)
    assert await case.journal.sweep(0, 0, [("acme", case.open.day)]) == 1
    assert await case.store.exists(key) == 0
