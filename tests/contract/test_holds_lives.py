"""How holds go on and end: extended, released, expired, a lease's parts; and what is remembered of them."""

import pytest

from tests.contract.holds_case import RUN, HoldsCase
from tests.contract.journal_case import JournalCase
from tollbook.ports.holds import HoldCode, HoldState, MeterView
from tollbook.ports.journal import Used

pytestmark = pytest.mark.anyio
LIFE_MAX_MS = 600_000


@pytest.fixture
async def holds(case: JournalCase) -> HoldsCase:
    await case.warm()
    return HoldsCase(case)


async def overage(holds: HoldsCase) -> int:
    return int(await holds.case.store.hget(holds.case.keys.tenant(0, "acme"), "overage") or 0)


@pytest.mark.parametrize(("ttl_ms", "life_ms"), [(1_000, 1_000), (3_600_000, LIFE_MAX_MS)], ids=str)
async def test_a_life_counts_from_now_and_has_a_bound(holds: HoldsCase, ttl_ms: int, life_ms: int) -> None:
    """No hold and no extension outlives the quarantine after a rebuild."""
    before = await holds.case.journal.now_ms(0)
    answer = await holds.hold("h", holds.check(holds.day, 10, 1), ttl_ms=ttl_ms)
    assert before + life_ms <= answer.expires_ms <= await holds.case.journal.now_ms(0) + life_ms
    before = await holds.pass_time(500)
    state, answer = await holds.extend("h", ttl_ms=ttl_ms)
    assert (state, answer.code) == (HoldState.OPEN, HoldCode.HELD)
    assert before + life_ms <= answer.expires_ms <= await holds.case.journal.now_ms(0) + life_ms
    assert (await holds.find("h")).expires_ms == answer.expires_ms


async def test_a_hold_grows_and_shrinks_where_it_fits(holds: HoldsCase) -> None:
    """The new amount is the whole one; what the hold itself holds is not in its way."""
    await holds.hold("h", holds.check(holds.day, 10, 4), context=b"c")
    await holds.hold("i", holds.check(holds.day, 10, 3))
    state, answer = await holds.extend("h", holds.check(holds.day, 10, 7))
    assert (state, answer.code, answer.amounts, answer.context) == (HoldState.OPEN, HoldCode.HELD, (7,), b"c")
    assert answer.views == (MeterView(0, 3),)
    _, answer = await holds.extend("h", holds.check(holds.day, 10, 8))
    assert (answer.code, answer.decided) == (HoldCode.BUSY, 0)
    _, answer = await holds.extend("h", holds.check(holds.day, 10, 9, least=7))
    assert answer.amounts == (7,)
    assert await holds.held() == {holds.day: 10}
    await holds.extend("h", holds.check(holds.day, 10, 1))
    assert await holds.held() == {holds.day: 4}
    await holds.post(1, uses=[holds.use("h", 1)])
    assert await holds.held() == {holds.day: 3}


async def test_an_extension_that_does_not_fit_changes_nothing(holds: HoldsCase) -> None:
    """All or nothing, the life too; limits are compared by version as for a new hold."""
    calls = holds.meter()
    await holds.hold("h", holds.check(holds.day, 10, 4))
    before = await holds.find("h")
    _, answer = await holds.extend("h", holds.check(holds.day, 10, 5), holds.check(calls, 1, 2), ttl_ms=LIFE_MAX_MS)
    assert (answer.code, answer.decided) == (HoldCode.TOO_LARGE, 1)
    _, answer = await holds.extend("h", holds.check(holds.day, 10, 5), ttl_ms=LIFE_MAX_MS, versions=(0, 1))
    assert answer.code is HoldCode.STALE
    _, answer = await holds.extend("h", holds.check(RUN, 10, 5), ttl_ms=LIFE_MAX_MS)
    assert (answer.code, answer.missing) == (HoldCode.MISSING, (0,))
    await holds.post(10)
    _, answer = await holds.extend("h", holds.check(holds.day, 10, 4), ttl_ms=LIFE_MAX_MS)
    assert answer.code is HoldCode.SPENT
    assert await holds.find("h") == before


async def test_an_extension_may_reach_a_budget_that_is_new(holds: HoldsCase) -> None:
    """A meter that the hold did not have is held from then on, and closed with it."""
    calls = holds.meter()
    await holds.hold("h", holds.check(holds.day, 10, 4))
    await holds.extend("h", holds.check(calls, 1, 1))
    assert (await holds.find("h")).amounts == {holds.day: 4, calls: 1} == await holds.held()
    assert await holds.release("h") is HoldState.OPEN
    assert await holds.held() == {}


async def test_only_an_open_hold_is_extended_or_released(holds: HoldsCase) -> None:
    """The answer is the state it came to; nothing is held again."""
    check = holds.check(holds.day, 100, 4)
    for name in ("settled", "released", "expired"):
        await holds.hold(name, check, ttl_ms=1_000 if name == "expired" else LIFE_MAX_MS)
    await holds.post(1, uses=[holds.use("settled", 1)])
    await holds.release("released")
    await holds.pass_time(1_000)
    states = {"settled": HoldState.SETTLED, "released": HoldState.RELEASED, "expired": HoldState.EXPIRED}
    states["unknown"] = HoldState.UNKNOWN
    for caught_up in (False, True):
        for name, state in states.items():
            assert (await holds.extend(name, check, ttl_ms=1_000))[0] is state
            assert await holds.release(name) is state
        assert await holds.held() == ({} if caught_up else {holds.day: 4})
        await holds.catch_up()
        await holds.holds.expire(0, "acme")


async def test_a_hold_expires_by_the_stores_clock_and_its_room_returns(holds: HoldsCase) -> None:
    """The first script that looks ends it; the next call fits."""
    check = holds.check(holds.day, 10, 6)
    first = await holds.hold("h", check, ttl_ms=5_000)
    await holds.pass_time(4_000)
    await holds.catch_up()
    busy = await holds.hold("n", check)
    assert busy.code is HoldCode.BUSY
    assert 0 < busy.wait_ms <= 1_000
    assert first.expires_ms - busy.wait_ms <= await holds.case.journal.now_ms(0)
    await holds.pass_time(1_000)
    await holds.catch_up()
    assert (await holds.hold("n", check)).code is HoldCode.HELD
    assert (await holds.find("h")).state is HoldState.EXPIRED
    assert await holds.held() == {holds.day: 6}


async def test_many_due_holds_end_some_at_a_time(holds: HoldsCase) -> None:
    """A call ends 64 and says that there are more before it decides anything."""
    check = holds.check(holds.day, 1_000, 1)
    await holds.holds.hold(0, [holds.request(f"h{number}", check, ttl_ms=1_000) for number in range(130)])
    await holds.pass_time(1_000)
    await holds.catch_up()
    codes = [(await holds.hold("n", holds.check(holds.day, 1, 1))).code for _ in range(3)]
    assert codes == [HoldCode.EXPIRING, HoldCode.EXPIRING, HoldCode.HELD]
    assert await holds.held() == {holds.day: 1}


async def test_expire_ends_what_is_due_without_a_call(holds: HoldsCase) -> None:
    """It answers how many were, until none is."""
    check = holds.check(holds.day, 1_000, 1)
    await holds.holds.hold(0, [holds.request(f"h{number}", check, ttl_ms=1_000) for number in range(70)])
    await holds.hold("stays", check)
    await holds.pass_time(1_000)
    await holds.catch_up()
    assert [await holds.holds.expire(0, "acme") for _ in range(3)] == [64, 6, 0]
    assert await holds.held() == {holds.day: 1}


async def test_closed_holds_are_forgotten_after_the_longest_life(holds: HoldsCase) -> None:
    """Until then a repeat finds out; afterwards neither the hold nor the caller's id is kept."""
    await holds.hold("h", holds.check(holds.day, 10, 4), caller_id="mine")
    await holds.hold("open", holds.check(holds.day, 10, 4), ttl_ms=LIFE_MAX_MS)
    await holds.release("h")
    await holds.pass_time(LIFE_MAX_MS - 5_000)
    await holds.holds.expire(0, "acme")
    assert (await holds.find("h")).state is HoldState.RELEASED
    await holds.pass_time(10_000)
    await holds.holds.expire(0, "acme")
    assert await holds.holds.find(0, "acme", "h") is None
    assert await holds.case.store.hkeys(holds.case.keys.holds(0, "acme")) == [b"open"]
    assert await holds.case.store.zcard(holds.case.keys.expiries(0, "acme")) == 1
    assert (await holds.hold("n", holds.check(holds.day, 10, 4), caller_id="mine")).code is HoldCode.HELD


async def test_closing_many_holds_forgets_the_old_ones_by_itself(holds: HoldsCase) -> None:
    """Nobody has to tidy up: the number kept does not grow with the number ever held."""
    check = holds.check(holds.day, None, 1)
    for turn in range(4):
        ids = [f"{turn}.{number}" for number in range(100)]
        await holds.holds.hold(0, [holds.request(hold_id, check) for hold_id in ids])
        for hold_id in ids:
            await holds.release(hold_id)
        await holds.pass_time(2 * LIFE_MAX_MS)
    assert await holds.case.store.hlen(holds.case.keys.holds(0, "acme")) == 100


async def test_open_holds_come_by_expiry(holds: HoldsCase) -> None:
    """No more than asked for, without what is closed."""
    for name, ttl_ms in (("late", 9_000), ("early", 2_000), ("gone", 1_000), ("mid", 5_000)):
        await holds.hold(name, holds.check(holds.day, 100, 4), ttl_ms=ttl_ms)
    await holds.release("gone")
    found = await holds.holds.open_holds(0, "acme", 2)
    assert [(hold.hold_id, hold.state, hold.lease) for hold in found] == [
        ("early", HoldState.OPEN, False),
        ("mid", HoldState.OPEN, False),
    ]
    assert await holds.holds.open_holds(0, "nobody", 5) == []


@pytest.mark.parametrize(("nanos", "beyond"), [(3, 0), (4, 0), (9, 5)], ids=str)
async def test_what_a_call_costs_beyond_its_hold_is_counted(holds: HoldsCase, nanos: int, beyond: int) -> None:
    """It is booked all the same; the sum stands beside the tenant's meters."""
    await holds.hold("h", holds.check(holds.day, 10, 4), holds.check(holds.meter(), 9, 1))
    posted = await holds.post(nanos, uses=[holds.use("h", nanos)])
    assert posted.holds == (Used(HoldState.OPEN, beyond),)
    assert await overage(holds) == beyond
    posted = await holds.post(nanos, uses=[holds.use("h", nanos)])
    assert posted.holds == (Used(HoldState.SETTLED, 0),)
    assert await overage(holds) == beyond


async def test_a_hold_without_dollars_has_nothing_to_go_beyond(holds: HoldsCase) -> None:
    """A budget of calls alone holds no amount of dollars."""
    await holds.hold("h", holds.check(holds.meter(), 9, 1))
    assert (await holds.post(4, uses=[holds.use("h", 4)])).holds == (Used(HoldState.OPEN, 0),)


async def test_a_late_event_is_beyond_its_hold_as_a_whole_and_once(holds: HoldsCase) -> None:
    """Its room had returned; a repeat of it is a repeat."""
    await holds.hold("h", holds.check(holds.day, 10, 4), ttl_ms=1_000)
    await holds.pass_time(1_000)
    await holds.catch_up()
    await holds.holds.expire(0, "acme")
    late = [await holds.post(3, uses=[holds.use("h", 3)]) for _ in range(2)]
    assert [posted.holds for posted in late] == [(Used(HoldState.EXPIRED, 3),), (Used(HoldState.SETTLED, 0),)]
    assert (await overage(holds), await holds.held()) == (3, {})


async def test_a_leases_parts_take_what_they_cost(holds: HoldsCase) -> None:
    """What a part did not use stays in the lease; a part without a number, or beyond the last, takes nothing."""
    calls, tokens = holds.meter(), holds.meter("tokens")
    checks = [holds.check(holds.day, 100, 40), holds.check(calls, 9, 3), holds.check(tokens, 900, 500)]
    await holds.hold("l", *checks, lease=True)
    posted = await holds.post(12, uses=[holds.use("l", 5, 100, part=1), holds.use("l", 7, 50, part=2)])
    assert posted.holds == (Used(HoldState.OPEN, 0), Used(HoldState.OPEN, 0))
    assert await holds.held() == {holds.day: 28, calls: 1, tokens: 350}
    for part in (0, 8_193, 2):
        await holds.post(9, uses=[holds.use("l", 9, 9, part=part)])
    assert await holds.held() == {holds.day: 28, calls: 1, tokens: 350}
    posted = await holds.post(40, uses=[holds.use("l", 40, 1, part=8_192)])
    assert posted.holds == (Used(HoldState.OPEN, 12),)
    assert await holds.held() == {tokens: 349}
    assert (await holds.find("l")).amounts == {holds.day: 0, calls: 0, tokens: 349}
    await holds.hold("h", holds.check(holds.day, 1_000, 4))
    assert (await holds.post(1, uses=[holds.use("h", 1, part=1)])).holds == (Used(HoldState.UNKNOWN, 0),)
    assert await holds.held() == {holds.day: 4, tokens: 349}


async def test_a_released_lease_keeps_what_its_open_parts_may_cost(holds: HoldsCase) -> None:
    """No more than it has; with nothing kept it is closed, and its late parts are beyond it."""
    calls = holds.meter()
    checks = [holds.check(holds.day, 100, 40), holds.check(calls, 9, 3)]
    await holds.hold("l", *checks, lease=True)
    assert await holds.release("l", {holds.day: 10, calls: 9}) is HoldState.OPEN
    assert await holds.held() == {holds.day: 10, calls: 3}
    await holds.post(4, uses=[holds.use("l", 4, part=1)])
    assert await holds.held() == {holds.day: 6, calls: 2}
    assert await holds.release("l") is HoldState.OPEN
    assert await holds.held() == {}
    assert await holds.release("l") is HoldState.RELEASED
    assert (await holds.post(4, uses=[holds.use("l", 4, part=1)])).holds == (Used(HoldState.SETTLED, 0),)
    assert (await holds.post(4, uses=[holds.use("l", 4, part=2)])).holds == (Used(HoldState.RELEASED, 4),)
    assert await overage(holds) == 4


async def test_another_tenants_hold_is_no_hold(holds: HoldsCase) -> None:
    """Neither an event nor a release reaches it."""
    await holds.hold("h", holds.check(holds.day, 10, 4), tenant="other")
    assert (await holds.post(1, uses=[holds.use("h", 1)])).holds == (Used(HoldState.UNKNOWN, 0),)
    assert await holds.release("h") is HoldState.UNKNOWN
    assert await holds.holds.find(0, "acme", "h") is None
