"""The rules about holds, each a trace that admits too much, or loses a hold, without its rule. The limit is 4."""

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from tests.core_world import World, event
from tests.integration.protocol.holding import LIMIT, TTL_MS, Holding
from tollbook.domain.errors import JournalUnavailable
from tollbook.domain.record import HoldUse, Record, Touch
from tollbook.domain.window import DayWindow
from tollbook.journal.holds import ValkeyHolds
from tollbook.pipeline.rebuild import RebuildSettings
from tollbook.ports.holds import HoldCode, HoldState
from tollbook.ports.journal import Used

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gate(world: World) -> Holding:
    await world.drain_dry()
    return Holding(world)


async def test_rule_05_counters_opened_for_the_first_time_have_no_holds_to_wait_for(world: World) -> None:
    """A new ledger admits strict holds at once, and waits after any later loss, though nothing was ever booked."""
    await world.drain_dry()
    gate = Holding(world)
    gate.strict = True
    assert (await gate.hold("a", 2)).code is HoldCode.HELD
    await rebuilt(world)
    assert (await gate.hold("b", 4)).code is HoldCode.QUARANTINED


async def rebuilt(world: World) -> None:
    """Lose everything in Valkey, and restore what Postgres has."""
    await world.lose_valkey()
    await world.drain_dry()


async def test_rule_04_counters_that_were_lost_admit_nothing(world: World, gate: Holding) -> None:
    """hold 2; FLUSHALL; hold 2; hold 2: without the epoch key a hold is neither granted nor refused."""
    assert (await gate.hold("a", 2)).code is HoldCode.HELD
    await world.lose_valkey()
    for name in ("b", "c"):
        assert (await gate.hold(name, 2)).code is HoldCode.INCOMPLETE
        assert (await gate.hold(name, 2, reserve=False)).code is HoldCode.INCOMPLETE
    assert await gate.find("b") is None
    assert (await gate.report("a", 2)).holds == (Used(HoldState.UNKNOWN, 0),)
    assert await gate.view() == (0, 2, 0)


async def test_rule_05_a_rebuild_waits_for_the_holds_it_cannot_know(world: World, gate: Holding) -> None:
    """hold 2; FLUSHALL; rebuild; hold 4: strict holds and leases wait until the lost ones must have ended."""
    assert (await gate.hold("a", 2)).code is HoldCode.HELD
    await rebuilt(world)
    assert (await gate.hold("lease", 4, lease=True)).code is HoldCode.QUARANTINED
    gate.strict = True
    answer = await gate.hold("b", 4)
    assert answer.code is HoldCode.QUARANTINED
    assert TTL_MS < answer.wait_ms <= RebuildSettings().hold_ttl_max_ms
    await gate.pass_time(answer.wait_ms)
    assert (await gate.hold("b", 4)).code is HoldCode.HELD


async def test_rule_05_no_life_is_longer_than_the_quarantine(world: World, gate: Holding) -> None:
    """Neither a hold's nor an extension's, whatever is asked for."""
    longest = RebuildSettings().hold_ttl_max_ms
    answer = await gate.hold("a", 2, ttl_ms=10 * longest)
    assert answer.expires_ms <= await world.journal.now_ms(0) + longest
    _, answer = await gate.holds.extend(0, "acme", "a", ttl_ms=10 * longest, amounts={})
    assert answer.expires_ms <= await world.journal.now_ms(0) + longest


async def test_rule_08_a_failover_may_lose_a_hold_and_leaves_the_sums_whole(world: World, gate: Holding) -> None:
    """hold 2; failover loses it; hold 4: this is admitted, so no more is claimed than "no failover" without WAIT.

    What was lost was lost whole: held is the sum of the holds there are, and the event of the lost one is booked.
    """
    copied = await world.copy_valkey()
    assert (await gate.hold("a", 2)).code is HoldCode.HELD
    await world.restore_valkey(copied)
    assert (await gate.hold("b", 4)).code is HoldCode.HELD
    assert (await gate.report("a", 2)).holds == (Used(HoldState.UNKNOWN, 0),)
    assert await gate.view() == (0, 2, 4)
    assert (await gate.report("b", 4)).holds == (Used(HoldState.OPEN, 0),)
    await world.drain_dry()
    assert await gate.view() == (6, 0, 0)


async def test_rule_09_an_event_settles_the_hold_of_the_servers_id_alone(world: World, gate: Holding) -> None:
    """h settled at 1; id h held again for 3; a duplicate releases it; 3 more: the caller's id only finds the first."""
    assert (await gate.hold("server-1", 1, caller_id="h")).code is HoldCode.HELD
    await gate.report("server-1", 1)
    again = await gate.hold("server-2", 3, caller_id="h")
    assert (again.code, again.hold_id, again.state) == (HoldCode.REPEATED, "server-1", HoldState.SETTLED)
    assert (await gate.hold("server-3", 3, caller_id="i")).code is HoldCode.HELD
    await gate.report("server-1", 1)
    assert (await gate.report("i", 0)).holds == (Used(HoldState.UNKNOWN, 0),)
    assert (await gate.report("server-3", 0, tenant="other")).holds == (Used(HoldState.UNKNOWN, 0),)
    await world.drain_dry()
    assert await gate.view() == (1, 0, 3)
    assert (await gate.hold("server-4", 3)).code is HoldCode.BUSY


async def test_rule_10_a_leases_part_is_used_up_once(world: World, gate: Holding) -> None:
    """A lease of 4 in two parts; the first part's event twice releases both: the second time it takes nothing."""
    assert (await gate.hold("l", 4, lease=True)).code is HoldCode.HELD
    record = gate.record("l", 2, part=1)
    for _ in range(3):
        await world.journal.post(record)
    assert (await gate.view())[2] == 2
    await world.drain_dry()
    assert await gate.view() == (2, 0, 2)
    assert (await gate.hold("h", 1)).code is HoldCode.BUSY
    await gate.report("l", 2, part=2)
    assert (await gate.view())[2] == 0


async def test_rule_11_room_returns_only_after_a_catch_up_begun_since_expiry(world: World, gate: Holding) -> None:
    """hold 2; its event 2 goes to the inbox; the hold expires; hold 4: refused until the event has been booked."""
    await gate.hold("a", 2)
    await world.ledger.inbox_append(gate.record("a", 2))
    await gate.pass_time()
    for _ in range(2):
        answer = await gate.hold("b", 4)
        assert answer.code is HoldCode.BUSY
        assert answer.wait_ms > 0
        assert await gate.holds.expire(0, "acme") == 0
    assert (await gate.find("a")).state is HoldState.EXPIRED
    await world.drain_dry()
    await gate.catch_up("a")
    assert await gate.view() == (2, 0, 0)
    assert (await gate.hold("b", 4)).code is HoldCode.TOO_LARGE
    assert (await gate.hold("b", 2)).code is HoldCode.HELD


async def test_rule_11_a_catch_up_begun_before_the_expiry_returns_nothing(world: World, gate: Holding) -> None:
    """`caught_up_at` is the clock before Postgres was read: an event may have come in after it."""
    answer = await gate.hold("a", 2)
    await gate.pass_time(TTL_MS - 1_000)
    await gate.catch_up()
    await gate.pass_time(1_000)
    assert (await gate.hold("b", 4)).code is HoldCode.BUSY
    await gate.catch_up()
    assert (await gate.hold("b", 4)).code is HoldCode.HELD
    assert answer.expires_ms <= await world.journal.now_ms(0)


async def test_rule_12_a_held_call_counts_in_the_windows_of_its_hold(world: World, gate: Holding) -> None:
    """hold 4 at 23:59 and hold 4 at 00:00, both reported after midnight: each counts in the day it was held in."""
    today = gate.window()
    yesterday = DayWindow(today.day - timedelta(days=1), today.start - timedelta(days=1), today.start)
    assert (await gate.hold("before", 4, window=yesterday)).code is HoldCode.HELD
    assert (await gate.hold("after", 4)).code is HoldCode.HELD
    made = world.record(event(nanos=4, id="late", ts=world.clock.now()))
    touch, use = Touch("acme", yesterday, 4), HoldUse("acme", "before", 0, 4, 4)
    await world.journal.post(Record(0, made.nonce, 1, (touch,), made.rows, (), (use,)))
    await gate.report("after", 4)
    view = await world.journal.view(0, "acme", yesterday.day)
    assert (view.pending_nanos, view.held_nanos) == (4, 0)
    assert await gate.view() == (0, 4, 0)


@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(hours=-2)], ids=["fast", "slow"])
async def test_rule_13_a_fast_host_expires_nobodys_hold(world: World, gate: Holding, ahead: timedelta) -> None:
    """A hold ends by the clock of the store; no host's time is asked for."""
    answer = await gate.hold("a", 2)
    window = gate.window()
    world.clock.advance(ahead.total_seconds())
    await gate.catch_up()
    assert (await gate.hold("b", 4, window=window)).code is HoldCode.BUSY
    assert answer.expires_ms - await world.journal.now_ms(0) <= TTL_MS
    await gate.pass_time()
    await gate.catch_up()
    assert (await gate.hold("b", 4, window=window)).code is HoldCode.HELD


async def test_rule_14_a_hold_by_older_budgets_is_told_so(world: World, gate: Holding) -> None:
    """The limit is lowered to 2 and a gate with an old copy asks for 4: its copy's version is not the one here."""
    await gate.holds.put_budgets(0, "acme", [], 1)
    assert (await gate.hold("a", 4)).code is HoldCode.STALE
    gate.versions = (await gate.holds.budgets(0, "acme")).versions
    assert (await gate.hold("a", 4, limit=2)).code is HoldCode.TOO_LARGE
    await gate.holds.put_budgets(0, None, [], 7)
    assert (await gate.hold("a", 1, limit=2)).code is HoldCode.STALE
    await gate.holds.put_budgets(0, "acme", [], 1)
    gate.versions = (7, 1)
    assert (await gate.hold("a", 1, limit=2)).code is HoldCode.HELD


async def test_rule_16_a_closed_day_keeps_its_meter_while_it_is_held(world: World, gate: Holding) -> None:
    """A hold outlives its window: what it holds is there to be taken back, and only then the meter goes."""
    await world.drain_dry()
    long_ago = world.day_before(6)
    window = world.tenancy.window_at("acme", long_ago)
    await world.post(event(nanos=1, id="old", ts=long_ago))
    await gate.hold("a", 2, window=window)
    drain = await world.drain_dry()
    await drain.tick()
    view = await world.journal.view(0, "acme", window.day)
    assert (view.settled_nanos, view.held_nanos) == (1, 2)
    await gate.release("a")
    await drain.tick()
    assert await world.all_days() == []
    assert await world.store.exists(world.keys.tenant(0, "acme")) == 0


async def test_rule_17_a_release_after_a_report_is_told_apart(world: World, gate: Holding) -> None:
    """hold 4; event 4 posted; the caller deletes the hold; hold 2: the release of a settled hold changes nothing.

    With the event in the inbox nobody can tell, so who has reported does not release; its late event counts as overage.
    """
    await gate.hold("a", 4)
    await gate.report("a", 4)
    assert await gate.release("a") is HoldState.SETTLED
    assert (await gate.hold("b", 2)).code is HoldCode.SPENT
    await gate.hold("c", 4, limit=8)
    assert await gate.release("c") is HoldState.OPEN
    assert (await gate.report("c", 3)).holds == (Used(HoldState.RELEASED, 3),)


async def test_rule_18_a_late_event_is_booked_and_counted_as_overage(world: World, gate: Holding) -> None:
    """hold 2; expires; hold 4; then the late event 2: the sum is 6, and two of it are known to be beyond."""
    await gate.hold("a", 2)
    await gate.pass_time()
    await gate.catch_up()
    assert (await gate.hold("b", 4)).code is HoldCode.HELD
    assert (await gate.report("a", 2)).holds == (Used(HoldState.EXPIRED, 2),)
    assert await gate.view() == (0, 2, 4)
    assert await world.store.hget(world.keys.tenant(0, "acme"), "overage") == b"2"


async def test_rule_18_who_extends_in_time_is_not_late(world: World, gate: Holding) -> None:
    """Extended at a third of its life a hold stays; after its end it cannot be."""
    await gate.hold("a", 2)
    for _ in range(6):
        await gate.pass_time(TTL_MS // 3)
        await gate.catch_up()
        state, answer = await gate.holds.extend(0, "acme", "a", ttl_ms=TTL_MS, amounts={})
        assert (state, answer.code) == (HoldState.OPEN, HoldCode.HELD)
    assert (await gate.hold("b", LIMIT)).code is HoldCode.BUSY
    await gate.pass_time()
    assert (await gate.holds.extend(0, "acme", "a", ttl_ms=TTL_MS, amounts={}))[0] is HoldState.EXPIRED


async def test_rule_19_with_valkey_away_nothing_is_decided(world: World) -> None:
    """Neither pending nor held can be seen: the port says that it does not know, and never that there is room."""
    gate = Holding(world)
    nowhere = Redis.from_url("redis://127.0.0.1:1/0")
    gate.holds = ValkeyHolds(nowhere, world.keys)
    with pytest.raises(JournalUnavailable):
        await gate.hold("a", 1)
    with pytest.raises(JournalUnavailable):
        await gate.hold("a", 1, reserve=False)
    await nowhere.aclose()
