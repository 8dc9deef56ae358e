"""Deciding and settling holds, on real servers."""

from collections.abc import Sequence

import pytest

from tests.contract.holds_case import RUN, HoldsCase
from tests.contract.journal_case import INT64_MAX, JournalCase
from tollbook.domain.budget import Budget
from tollbook.domain.errors import JournalUnavailable
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.domain.record import Touch
from tollbook.ports.holds import HoldCode, HoldState, MeterView
from tollbook.ports.journal import PostCode, SettleCode

pytestmark = pytest.mark.anyio
BUDGET = Budget(id="b", scope=ScopeKind.AGENT, window=WindowKind.MONTH, unit=Unit.CALLS, limit=1)


@pytest.fixture
async def holds(case: JournalCase) -> HoldsCase:
    await case.warm()
    return HoldsCase(case)


async def test_a_hold_is_settled_by_the_event_that_names_it(holds: HoldsCase) -> None:
    """What was held leaves the meters in the step that counts what it cost."""
    calls = holds.meter()
    answer = await holds.hold("h1", holds.check(holds.day, 10, 7), holds.check(calls, 1, 1))
    assert (answer.code, answer.amounts, answer.state) == (HoldCode.HELD, (7, 1), HoldState.OPEN)
    assert await holds.held() == {holds.day: 7, calls: 1}
    assert (await holds.hold("h2", holds.check(calls, 1, 1))).code is HoldCode.BUSY
    posted = await holds.post(5, meters=[holds.touch(calls, 1)], uses=[holds.use("h1", 5)])
    assert [(use.state, use.overage_nanos) for use in posted.holds] == [(HoldState.OPEN, 0)]
    fields = await holds.case.store.hkeys(holds.case.keys.tenant(0, "acme"))
    assert [field for field in fields if field.endswith(b":h")] == []
    assert await holds.pending() == {holds.day: 5, calls: 1}
    assert (await holds.hold("h2", holds.check(calls, 1, 1))).code is HoldCode.SPENT
    total = holds.total(calls, 1)
    assert (await holds.settle((0, 1), total, records=await holds.case.records())).removed == 1
    assert (await holds.pending(), await holds.settled()) == ({}, {calls: 1})
    assert (await holds.hold("h2", holds.check(calls, 1, 1))).code is HoldCode.SPENT


async def test_each_day_is_held_against_its_own_sum(holds: HoldsCase) -> None:
    """Several tenants and days in one call: what one spends on a day is nothing on another day or of another tenant."""
    await holds.post(6)
    await holds.case.post(8, "other", holds.case.future)
    later = f"day:{holds.case.future.day.isoformat()}"
    asked = [
        ("acme", holds.day, 6, HoldCode.SPENT),
        ("acme", later, 6, HoldCode.HELD),
        ("other", holds.day, 6, HoldCode.HELD),
        ("other", later, 8, HoldCode.SPENT),
        ("other", later, 9, HoldCode.HELD),
    ]
    requests = [
        holds.request(f"h{number}", holds.check(meter, limit, 1), tenant=tenant)
        for number, (tenant, meter, limit, _) in enumerate(asked)
    ]
    answers = await holds.holds.hold(0, requests)
    assert [answer.code for answer in answers] == [code for *_, code in asked]
    assert [answer.views[0].spent for answer in answers] == [6, 0, 0, 8, 8]


async def test_refusals_come_in_one_order_whatever_the_checks_are(holds: HoldsCase) -> None:
    """Spent before too large before busy, and of equals the first: the reason that waiting mends comes last."""
    spent, small, busy = (holds.meter(window=f"month:2026-0{number}") for number in (1, 2, 3))
    await holds.settle((0, 1), holds.total(spent, 5))
    await holds.hold("h", holds.check(busy, 5, 5))
    checks = [holds.check(busy, 5, 1), holds.check(small, 5, 6), holds.check(spent, 5, 1), holds.check(spent, 4, 1)]
    for count, code in ((1, HoldCode.BUSY), (2, HoldCode.TOO_LARGE), (3, HoldCode.SPENT), (4, HoldCode.SPENT)):
        answer = await holds.hold("n", *checks[:count])
        assert (answer.code, answer.decided, answer.amounts) == (code, min(count, 3) - 1, ())
        assert answer.views == (MeterView(0, 5), MeterView(0, 0), MeterView(5, 0), MeterView(5, 0))[:count]
    assert await holds.held() == {busy: 5}
    assert await holds.holds.find(0, "acme", "n") is None


@pytest.mark.parametrize(("most", "code"), [(5, HoldCode.HELD), (6, HoldCode.BUSY), (11, HoldCode.TOO_LARGE)], ids=str)
async def test_an_amount_fits_exactly(holds: HoldsCase, most: int, code: HoldCode) -> None:
    """settled + pending + held + the amount may come to the limit, and to nothing beyond it."""
    meter = holds.meter("usd")
    await holds.settle((0, 1), holds.total(meter, 4))
    await holds.post(0, meters=[holds.touch(meter, 6)])
    await holds.hold("h", holds.check(meter, None, 5))
    answer = await holds.hold("n", holds.check(meter, 20, most))
    assert (answer.code, answer.views) == (code, (MeterView(10, 5),))
    assert await holds.held() == {meter: 10 if code is HoldCode.HELD else 5}


async def test_a_limit_of_nothing_closes_the_scope(holds: HoldsCase) -> None:
    """Even a call that costs nothing does not pass."""
    assert (await holds.hold("h", holds.check(holds.day, 0, 0))).code is HoldCode.SPENT


async def test_sums_beyond_2_to_the_53_decide_exactly(holds: HoldsCase) -> None:
    """One nano-dollar more than fits is refused where a float would not tell; no sum leaves the range of the store."""
    limit, meter = 10**18, holds.meter("usd")
    await holds.settle((0, 1), holds.total(meter, 2**53))
    await holds.hold("h", holds.check(meter, limit, 2**53 + 1))
    left = limit - 2**54 - 1
    assert (await holds.hold("n", holds.check(meter, limit, left + 1))).code is HoldCode.BUSY
    assert (await holds.hold("n", holds.check(meter, limit, left))).amounts == (left,)
    assert await holds.held() == {meter: limit - 2**53}
    await holds.post(0, uses=[holds.use("n", 1)])
    assert await holds.held() == {meter: 2**53 + 1}
    assert (await holds.hold("x", holds.check(meter, None, INT64_MAX))).code is HoldCode.TOO_LARGE


async def test_less_is_granted_where_the_least_fits(holds: HoldsCase) -> None:
    """The tightest check of a unit says how much; checks of other units hold their most."""
    wide, tight, tokens = holds.meter("usd"), holds.meter("usd", scope="run|r"), holds.meter("tokens")
    answer = await holds.hold(
        "h", holds.check(wide, 100, 40, least=5), holds.check(tight, 30, 40, least=5), holds.check(tokens, 900, 800)
    )
    assert (answer.code, answer.amounts) == (HoldCode.HELD, (30, 30, 800))
    assert await holds.held() == {wide: 30, tight: 30, tokens: 800}
    await holds.hold("i", holds.check(wide, 100, 67))
    answer = await holds.hold("j", holds.check(wide, 100, 40, least=4))
    assert (answer.code, answer.decided) == (HoldCode.BUSY, 0)


async def test_checks_of_one_unit_keep_within_their_own_bounds(holds: HoldsCase) -> None:
    """A check that expects less than the tightest leaves holds what it expects, and none less than its least."""
    strict, mean = holds.meter("usd"), holds.meter("usd", scope="run|r")
    answer = await holds.hold("h", holds.check(strict, 10, 40, least=2), holds.check(mean, 100, 6, least=6))
    assert answer.amounts == (10, 6)
    answer = await holds.hold("i", holds.check(mean, 100, 90, least=50), holds.check(holds.day, 20, 90, least=5))
    assert answer.amounts == (50, 20)


async def test_a_lease_gets_a_share_of_the_room_and_never_less_than_one_call(holds: HoldsCase) -> None:
    """An eighth of what is left, rounded down; the least where that is more."""
    meter = holds.meter("usd")
    amounts = []
    for number in range(4):
        answer = await holds.hold(f"l{number}", holds.check(meter, 100, 80, least=10), lease=True, lease_share=8)
        amounts += answer.amounts
    assert amounts == [12, 11, 10, 10]
    answer = await holds.hold("few", holds.check(meter, 100, 11, least=10), lease=True, lease_share=2)
    assert answer.amounts == (11,)


async def test_a_check_decides_and_holds_nothing(holds: HoldsCase) -> None:
    """`reserve` False leaves no hold behind, whatever the answer."""
    answer = await holds.hold("c", holds.check(holds.day, 10, 5), reserve=False, caller_id="mine")
    assert (answer.code, answer.amounts, answer.expires_ms) == (HoldCode.HELD, (5,), 0)
    assert await holds.held() == {}
    assert await holds.holds.find(0, "acme", "c") is None
    assert (await holds.hold("c", holds.check(holds.day, 10, 5), caller_id="mine")).code is HoldCode.HELD


async def test_requests_of_one_call_see_each_other(holds: HoldsCase) -> None:
    """They are decided in order, each tenant by itself."""
    check = holds.check(holds.day, 10, 6)
    requests = [
        holds.request("a", check, context=b"first"),
        holds.request("b", check),
        holds.request("c", check, tenant="other"),
        holds.request("d", holds.check(holds.day, 10, 4), context=b"\xff\x00"),
    ]
    answers = await holds.holds.hold(0, requests)
    assert [answer.code for answer in answers] == [HoldCode.HELD, HoldCode.BUSY, HoldCode.HELD, HoldCode.HELD]
    found = await holds.holds.open_holds(0, "acme", 10)
    assert {(hold.hold_id, hold.context) for hold in found} == {("a", b"first"), ("d", b"\xff\x00")}


async def test_a_callers_id_makes_a_request_repeatable(holds: HoldsCase) -> None:
    """The same id holds nothing twice, and finds out what became of the hold."""
    first = await holds.hold("h1", holds.check(holds.day, 10, 6), caller_id="mine", context=b"c")
    again = await holds.hold("h2", holds.check(holds.day, 10, 6), caller_id="mine")
    assert (again.code, again.hold_id, again.expires_ms) == (HoldCode.REPEATED, "h1", first.expires_ms)
    assert (again.amounts, again.state, again.context) == ((6,), HoldState.OPEN, b"c")
    assert await holds.held() == {holds.day: 6}
    await holds.post(5, uses=[holds.use("h1", 5)])
    again = await holds.hold("h3", holds.check(holds.day, 10, 6), caller_id="mine")
    assert (again.code, again.state) == (HoldCode.REPEATED, HoldState.SETTLED)
    assert (await holds.hold("h4", holds.check(holds.day, 20, 6), caller_id="other")).code is HoldCode.HELD


async def test_a_repeated_call_of_the_script_holds_nothing_twice(holds: HoldsCase) -> None:
    """The server's own id is enough, where an answer was lost."""
    check = holds.check(holds.day, 10, 6)
    assert (await holds.hold("h", check)).code is HoldCode.HELD
    assert (await holds.hold("h", check)).code is HoldCode.REPEATED
    assert await holds.held() == {holds.day: 6}


async def test_incomplete_counters_decide_nothing(case: JournalCase) -> None:
    """Without the epoch key there is no answer, also to an extension; a release goes on."""
    holds = HoldsCase(case)
    assert (await holds.hold("h", holds.check(holds.day, 10, 1))).code is HoldCode.INCOMPLETE
    await case.warm()
    await holds.hold("h", holds.check(holds.day, 10, 1))
    await case.journal.forget(0)
    _, answer = await holds.extend("h", ttl_ms=1_000)
    assert answer.code is HoldCode.INCOMPLETE
    assert await holds.release("h") is HoldState.OPEN
    assert await holds.held() == {}


async def test_budgets_stand_beside_the_meters_under_a_version(holds: HoldsCase) -> None:
    """An older version replaces nothing, and a hold by any version but these is stale."""
    copy = await holds.holds.budgets(0, "acme")
    assert (list(copy.everyone), list(copy.own), copy.versions) == ([], [], (0, 0))
    assert await holds.budgets(BUDGET, version=3, tenant=None)
    assert await holds.budgets(BUDGET, BUDGET, version=2)
    assert not await holds.budgets(version=2)
    assert not await holds.budgets(version=1)
    copy = await holds.holds.budgets(0, "acme")
    assert (list(copy.everyone), list(copy.own), copy.versions) == ([BUDGET], [BUDGET, BUDGET], (3, 2))
    assert (await holds.holds.budgets(0, "other")).versions == (3, 0)
    for versions in ((3, 1), (2, 2), (0, 0), (4, 2)):
        answer = await holds.hold("h", holds.check(holds.day, 10, 1), versions=versions)
        assert answer.code is HoldCode.STALE
    assert (await holds.hold("h", holds.check(holds.day, 10, 1), versions=(3, 2))).code is HoldCode.HELD


async def test_budgets_wait_for_the_totals_of_their_meters(holds: HoldsCase) -> None:
    """Until the counters have reached the version that backfilled a budget's meters, nobody is told that they are 0."""
    await holds.holds.put_budgets(0, "acme", [BUDGET], 1, fence_min=2)
    check = holds.check(holds.meter(), 1, 1)
    assert (await holds.hold("h", check, versions=(0, 1))).code is HoldCode.INCOMPLETE
    await holds.settle((0, 2), holds.total(holds.meter(), 1))
    assert (await holds.hold("h", check, versions=(0, 1))).code is HoldCode.SPENT


async def test_a_runs_total_is_loaded_before_it_decides(holds: HoldsCase) -> None:
    """Missing is never 0; what is there already is not replaced."""
    answer = await holds.hold("h", holds.check(holds.day, 10, 1), holds.check(RUN, 10, 5))
    assert (answer.code, answer.missing) == (HoldCode.MISSING, (1,))
    assert await holds.load({RUN: 6})
    assert (await holds.hold("h", holds.check(RUN, 10, 5))).code is HoldCode.TOO_LARGE
    assert await holds.load({RUN: 0})
    assert (await holds.hold("h", holds.check(RUN, 10, 5))).code is HoldCode.TOO_LARGE
    assert (await holds.hold("h", holds.check(RUN, 11, 5))).code is HoldCode.HELD


async def test_a_total_read_before_the_fence_is_not_loaded(holds: HoldsCase) -> None:
    """What was settled in between would be missing from it; nor is a total of another ledger, or of no counters."""
    await holds.settle((0, 2))
    assert not await holds.load({RUN: 0}, version=1)
    assert not await holds.load({RUN: 0}, version=2, ledger_epoch="another")
    assert await holds.settled() == {}
    assert await holds.load({RUN: 3}, version=2)
    await holds.case.journal.forget(0)
    assert not await holds.load({RUN: 3}, version=2)
    assert await holds.settled() == {RUN: 3}


async def test_a_receiver_without_the_budget_still_moves_its_pending(holds: HoldsCase) -> None:
    """Meters of the hold that the record does not touch are counted from the hold, and settle takes just that back."""
    calls, usd, tokens = holds.meter(), holds.meter("usd"), holds.meter("tokens")
    checks = [holds.check(meter, 1_000, 9) for meter in (holds.day, calls, usd, tokens)]
    await holds.hold("h", *checks)
    await holds.post(5, meters=[holds.touch(usd, 5)], uses=[holds.use("h", 5, 70)])
    counted = {holds.day: 5, calls: 1, usd: 5, tokens: 70}
    assert (await holds.pending(), await holds.held()) == (counted, {})
    (record,) = await holds.case.records()
    assert set(record.meters) == {("acme", calls), ("acme", usd), ("acme", tokens)}
    audit = await holds.case.journal.audit(0, [("acme", holds.case.open.day)], 10, sorted(record.meters))
    assert audit.days[0].journal_nanos == 5
    assert {meter.meter: (meter.pending, meter.journal) for meter in audit.meters} == {
        meter: (counted[meter], counted[meter]) for meter in (calls, usd, tokens)
    }
    assert set((await holds.case.journal.open_meters(0, 0, 100))[1]) == set(record.meters)
    await holds.settle((0, 1), records=[record])
    assert await holds.pending() == {}


@pytest.mark.parametrize("amount", [0, 1, 2**53 + 1, 10**18], ids=str)
async def test_a_meters_delta_goes_back_whatever_it_is(holds: HoldsCase, amount: int) -> None:
    """Zero and what no float holds come out of pending as they went in."""
    await holds.post(0, meters=[holds.touch(holds.meter("usd"), amount)])
    assert await holds.pending() == ({holds.meter("usd"): amount} if amount else {})
    await holds.settle((0, 1), holds.total(holds.meter("usd"), amount), records=await holds.case.records())
    assert await holds.pending() == {}


async def test_a_record_that_would_overflow_a_meter_settles_no_hold(holds: HoldsCase) -> None:
    """All or nothing: days, meters and holds are as they were; a meter that only it would have made is not there."""
    full, new = holds.meter("usd"), holds.meter("tokens")
    await holds.hold("h", holds.check(holds.day, 10, 5), holds.check(new, 10, 5))
    await holds.post(1, meters=[holds.touch(full, INT64_MAX)])
    before = await holds.case.contents()
    posted = await holds.post(2, meters=[holds.touch(holds.meter(), 1), holds.touch(full, 1)], uses=[holds.use("h", 2)])
    assert (posted.code, posted.holds) == (PostCode.REFUSED_OVERFLOW, ())
    assert await holds.case.contents() == before


@pytest.mark.parametrize(("settled", "to"), [(7, 2), (3, 1)], ids=["newer", "older"])
async def test_a_meters_total_is_set_under_the_fence(holds: HoldsCase, settled: int, to: int) -> None:
    """An older total never replaces a newer one."""
    meter = holds.meter()
    await holds.settle((0, 1), holds.total(meter, 3))
    answer = await holds.settle((1 if to == 2 else 0, to), holds.total(meter, 7 if to == 2 else 1))
    assert answer.code is SettleCode.SETTLED
    assert await holds.settled() == {meter: settled}


async def test_holds_named_by_the_ledger_are_ended(holds: HoldsCase) -> None:
    """What came through the inbox settled no hold in Valkey: its booking does, once, and a lease's part nothing."""
    await holds.hold("h", holds.check(holds.day, 10, 4))
    await holds.hold("l", holds.check(holds.day, 10, 4), lease=True)
    named: Sequence[tuple[str, str]] = [("acme", "h"), ("acme", "l.1"), ("acme", "l"), ("acme", "no"), ("other", "h")]
    for _ in range(2):
        await holds.settle((0, 1), totals=[Touch("acme", holds.case.open, 4)], holds=named)
        assert await holds.held() == {holds.day: 4}
    assert (await holds.find("h")).state is HoldState.SETTLED
    assert (await holds.find("l")).state is HoldState.OPEN


async def test_a_full_store_refuses_holds_and_lets_go_of_them(holds: HoldsCase) -> None:
    """Out of memory nothing new is held; what ends holds may pass the bound."""
    await holds.hold("h", holds.check(holds.day, 10, 4))
    await holds.hold("i", holds.check(holds.day, 10, 4))
    await holds.case.admin.config_set("maxmemory", 1)
    try:
        with pytest.raises(JournalUnavailable):
            await holds.hold("n", holds.check(holds.day, 10, 1))
        assert await holds.release("h") is HoldState.OPEN
        await holds.settle((0, 1), holds=[("acme", "i")])
        assert await holds.held() == {}
    finally:
        await holds.case.admin.config_set("maxmemory", 256 << 20)


async def test_a_store_that_is_away_is_said_to_be(holds: HoldsCase) -> None:
    """Every failure of the store comes out as `JournalUnavailable`."""
    await holds.case.admin.delete(holds.case.keys.of(0, "state"))
    await holds.case.admin.set(holds.case.keys.of(0, "state"), "no hash")
    with pytest.raises(JournalUnavailable):
        await holds.hold("h", holds.check(holds.day, 10, 1))


async def test_every_key_stands_under_the_prefix_and_the_tag(holds: HoldsCase) -> None:
    """Holds add keys of the partition only, and none of them expires."""
    await holds.budgets(BUDGET)
    await holds.load({RUN: 1})
    await holds.hold("h", holds.check(RUN, 10, 4), versions=(0, 1), caller_id="c")
    await holds.post(1, meters=[holds.touch(RUN, 1)], uses=[holds.use("h", 1)])
    keys = {key.decode() for key in await holds.case.admin.keys("*")}
    prefix = holds.case.keys.throttled("").removesuffix("throttled:")
    spend = {holds.case.keys.spend("acme", holds.case.open.day), holds.case.keys.throttled("acme")}
    assert all(key.startswith(f"{prefix}tollbook:{{0}}:") for key in keys - spend)
    assert {holds.case.keys.holds(0, "acme"), holds.case.keys.expiries(0, "acme")} <= keys
    assert [key for key in keys - spend if await holds.case.admin.pttl(key) != -1] == []
