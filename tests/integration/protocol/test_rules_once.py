"""Rules 1, 2, 3, 4 and 6: an event is counted once, whatever is lost between its commit and its settle."""

import pytest

from tests.core_world import CROSSINGS, Crossings, Killed, World, abandon, event
from tests.integration.protocol.journal_edits import post_at
from tollbook.domain.record import MeterTotal, Touch
from tollbook.pipeline.drain import DrainSettings
from tollbook.ports.journal import PostCode, SettleCode, Settlement
from tollbook.telemetry import Drained, Rebuilt

pytestmark = pytest.mark.anyio


async def test_rule_01_settle_removes_only_where_the_nonce_matches(world: World) -> None:
    """After a failover another record stands at a drained record's place: settle leaves it, and it is booked.

    Without the nonce in settle.lua c is removed undrained, and its dollar is in no entry.
    """
    drain = await world.drain_dry()
    await world.post(event(nanos=1, id="a"))
    before_b = await world.copy_valkey()
    place = (await world.post(event(nanos=2, id="b"))).place
    crossing = Crossings("settling")
    dying = world.drain(crossing=crossing)
    with pytest.raises(Killed):
        await world.drain_dry(dying)
    await abandon(dying)
    # The same drain object goes on, as one does whose Valkey failed over under it.
    await world.restore_valkey(before_b)
    await post_at(world, place, world.record(event(nanos=4, id="c")))
    await world.drain_dry(dying)
    await world.drain_dry(drain)
    assert await world.entry_ids() == ["a", "b", "c"]
    assert (await world.settled_totals()) == {("acme", world.today()): 7}
    await world.assert_at_rest()


async def test_rule_01_settle_subtracts_what_the_record_itself_holds(world: World) -> None:
    """A record of duplicates has deltas of its own; exactly these leave pending, whatever the drain booked.

    Without it, sums that the drain brings (0 for a duplicate) leave pending above 0 for ever.
    """
    await world.drain_dry()
    await world.post(event(nanos=5, id="a"), event(nanos=5, id="a"))
    await world.post(event(nanos=5, id="a"))
    view = await world.journal.view(0, "acme", world.today())
    assert view.pending_nanos == 15
    await world.drain_dry()
    assert await world.entry_ids() == ["a"]
    await world.assert_at_rest()


async def test_rule_02_a_replay_without_new_rows_still_sets_the_total(world: World) -> None:
    """Commit, crash, replay: no row is new in the second transaction, and the total of the first is set all the same.

    Without the read of all versions behind the fence the counters stay at 0 while Postgres has 5.
    """
    await world.drain_dry()
    await world.post(event(nanos=5, id="a"))
    assert await world.kill_drain("settling")
    await world.drain_dry()
    assert [(r.new, r.duplicates) for r in world.telemetry.of(Drained)] == [(1, 0), (0, 1)]
    assert (await world.journal.view(0, "acme", world.today())).settled_nanos == 5
    await world.assert_at_rest()


async def test_rule_02_a_failover_that_loses_post_and_settle_is_caught_up(world: World) -> None:
    """The promoted Valkey has neither the record nor its total: the next tick sets the total from Postgres.

    Without the catch-up of an idle drain nothing would ever bring the total back.
    """
    drain = await world.drain_dry()
    older = await world.copy_valkey()
    await world.post(event(nanos=5, id="a"))
    await world.drain_dry(drain)
    await world.restore_valkey(older)
    assert (await world.journal.view(0, "acme", world.today())).settled_nanos == 0
    world.clock.advance(1)
    await drain.tick()
    assert (await world.journal.view(0, "acme", world.today())).settled_nanos == 5
    await world.assert_at_rest()


async def test_rule_02_a_settle_from_ahead_of_the_fence_changes_nothing(world: World) -> None:
    """A fence behind `from` is answered, not jumped over: the versions between would never be set."""
    await world.drain_dry()
    await world.post(event(nanos=5, id="a"))
    record = (await world.journal.read(0, "", 1))[0]
    epoch, fence = await world.ledger.standing(0)
    touch = Touch("acme", world.tenancy.window_at("acme", world.clock.now()), 5)
    answer = await world.journal.settle(0, Settlement(epoch, fence + 1, fence + 2, (touch,), (record,)))
    assert (answer.code, answer.fence, answer.removed) == (SettleCode.BEHIND, fence, 0)
    view = await world.journal.view(0, "acme", world.today())
    assert (view.settled_nanos, view.pending_nanos) == (0, 5)


async def test_rule_03_a_record_booked_before_the_rebuild_is_settled_by_its_own_version(world: World) -> None:
    """Commit v; a rebuild opens at v; settle(v) comes late: it sets nothing, and still removes its record.

    With > for >= in the fence's guard the record and its pending stay for ever.
    """
    await world.drain_dry()
    booked = (await world.ledger.standing(0)).version + 1
    await world.post(event(nanos=5, id="a"))

    async def rebuild_meanwhile(step: str) -> None:
        if step == "settling":
            await world.journal.forget(0)
            assert await world.rebuild().run(0) == booked

    crossing = Crossings()
    crossing.then = rebuild_meanwhile
    drain = world.drain(crossing=crossing)
    assert await drain.step()
    await drain.settled()
    audit = await world.journal.audit(0, [("acme", world.today())], 10)
    assert (audit.fence, audit.records) == (booked, 0)
    await world.assert_at_rest()


async def test_rule_04_while_counters_are_incomplete_posts_count_and_settles_wait(world: World) -> None:
    """Without the epoch key a post is journalled and counted, no flag is derived, and a settle does nothing.

    Without the guard in settle.lua the record would leave while its total is not set.
    """
    world.limits = world.limits[:0]
    await world.load_limits(0)
    posted = await world.post(event(nanos=5, id="a"))
    assert posted.code is PostCode.POSTED_COLD
    records = await world.journal.read(0, "", 10)
    epoch = (await world.ledger.standing(0)).ledger_epoch
    settlement = Settlement(epoch, 0, 0, (), records)
    assert (await world.journal.settle(0, settlement)).code is SettleCode.INCOMPLETE
    assert len(await world.journal.read(0, "", 10)) == 1
    assert (await world.journal.view(0, "acme", world.today())).pending_nanos == 5
    await world.drain_dry()
    await world.assert_at_rest()


@pytest.mark.parametrize("lost_at", ["begun", "loaded", "limits"])
async def test_rule_06_counters_lost_during_a_rebuild_start_it_over(world: World, lost_at: str) -> None:
    """A FLUSHALL between the chunks of a rebuild: the half that was loaded is never declared to be the whole.

    Without the token the opening goes through, and the first chunk's tenants stand at 0.
    """
    await world.drain_dry()
    tenants = [f"t{number:04}" for number in range(600)]
    await world.post(*(event(tenant, 5, id="a") for tenant in tenants))
    await world.drain_dry()
    await world.lose_valkey()
    lost = []

    async def lose_once(step: str) -> None:
        if step == lost_at and not lost:
            lost.append(step)
            await world.lose_valkey()

    real_load, real_begin, real_limits = world.journal.rebuild_load, world.journal.rebuild_begin, world.load_limits

    async def begin(partition: int, token: str) -> bool:
        begun = await real_begin(partition, token)
        await lose_once("begun")
        return begun

    async def load(partition: int, token: str, totals: list[Touch], meters: list[MeterTotal]) -> bool:
        loaded = await real_load(partition, token, totals, meters)
        await lose_once("loaded")
        return loaded

    async def limits(partition: int) -> None:
        await real_limits(partition)
        await lose_once("limits")

    world.journal.rebuild_begin, world.journal.rebuild_load, world.load_limits = begin, load, limits
    await world.drain_dry()
    assert lost == [lost_at]
    assert len(world.telemetry.of(Rebuilt)) == 2
    for tenant in (tenants[0], tenants[-1]):
        view = await world.journal.view(0, tenant, world.today())
        assert (view.complete, view.settled_nanos, view.limit_nanos) == (True, 5, 50_000_000_000)
    await world.assert_at_rest()


@pytest.mark.parametrize("step", CROSSINGS)
@pytest.mark.parametrize("nth", [1, 2])
async def test_a_drain_that_dies_anywhere_is_replayed(world: World, step: str, nth: int) -> None:
    """Killed at any crossing, a second drain brings everything to rest and counts nothing twice."""
    await world.drain_dry()
    await world.post(event(nanos=1, id="a"), event("other", 2, id="a"))
    await world.ledger.inbox_append(world.record(event(nanos=4, id="b")))
    died = await world.kill_drain(step, nth=nth)
    assert died or nth == 2
    await world.post(event(nanos=8, id="c"))
    await world.drain_dry()
    assert await world.entry_ids() == ["a", "a", "b", "c"]
    await world.assert_at_rest()


@pytest.mark.parametrize(("step", "nth"), [*((step, 1) for step in CROSSINGS), ("caught up", 2), ("settled", 2)])
async def test_counters_lost_between_any_two_steps_are_rebuilt(world: World, step: str, nth: int) -> None:
    """FLUSHALL at any crossing: what Postgres has is set again, what was read is booked, the drain goes on."""
    await world.drain_dry()
    await world.post(event(nanos=1, id="before"))
    await world.drain_dry()
    await world.post(event(nanos=2, id="waiting"))
    passed: list[str] = []
    read_before: list[bool] = []

    async def lose(at: str) -> None:
        passed.append(at)
        if at == step and passed.count(step) == nth:
            read_before.append("read" in passed)
            await world.lose_valkey()

    crossing = Crossings()
    crossing.then = lose
    await world.drain_dry(world.drain(crossing=crossing))
    await world.post(event(nanos=4, id="after"))
    await world.drain_dry()
    # What was not read yet when Valkey was lost is lost: that is what `ack=journal` says.
    expected = ["after", "before", "waiting"] if read_before == [True] else ["after", "before"]
    assert read_before
    assert await world.entry_ids() == expected
    await world.assert_at_rest()


@pytest.mark.parametrize("step", CROSSINGS)
async def test_a_failover_to_an_older_state_at_any_step_is_made_good(world: World, step: str) -> None:
    """A promoted replica lags by a record, a settle and a total: whatever Postgres has is there again, once."""
    await world.drain_dry()
    await world.post(event(nanos=1, id="a"))
    older = await world.copy_valkey()
    await world.drain_dry()
    await world.post(event(nanos=2, id="b"))
    drain = world.drain(crossing=(crossing := Crossings()))
    done = []

    async def fail_over(at: str) -> None:
        if at == step and not done:
            done.append(at)
            await world.restore_valkey(older)

    crossing.then = fail_over
    await world.drain_dry(drain)
    await world.post(event(nanos=4, id="c"))
    await world.drain_dry(drain)
    assert done == [step]
    assert {"a", "c"} <= set(await world.entry_ids()) <= {"a", "b", "c"}
    await world.assert_at_rest()


async def test_two_drains_at_once_on_one_partition_count_once(world: World) -> None:
    """Two drains read the same records: the partition's lock orders them, the loser's rows are duplicates."""
    await world.drain_dry()
    for number in range(3):
        await world.post(event(nanos=1, id=f"e{number}"))
    first, second = world.drain(), world.drain(crossing=(crossing := Crossings()))

    async def overtaken(at: str) -> None:
        crossing.then = None
        await world.drain_dry(first)

    for step in CROSSINGS:
        crossing.then = None
        await world.post(event(nanos=1, id=step))

        async def meet(at: str, wanted: str = step) -> None:
            if at == wanted:
                await overtaken(at)

        crossing.then = meet
        await world.drain_dry(second)
        assert crossing.then is None, f"never met at {step!r}"
    assert len(await world.entry_ids()) == 3 + len(CROSSINGS)
    await world.assert_at_rest()


async def test_a_drain_reads_no_record_twice_while_nothing_fails(world: World) -> None:
    """What was read and is not settled yet is passed over by the next read: duplicates would be booked for nothing."""
    world.drain_settings = DrainSettings(read_records_max=1)
    await world.drain_dry()
    for number in range(4):
        await world.post(event(nanos=1, id=f"e{number}"))
    drain = world.drain()
    while await drain.step():
        continue
    await drain.settled()
    assert [(r.new, r.duplicates) for r in world.telemetry.of(Drained)] == [(1, 0)] * 4
    await world.assert_at_rest()


async def test_records_that_a_failover_brings_back_are_read_again(world: World) -> None:
    """A promoted replica still has a record that was drained: it lies behind the drain's place, and must go."""
    drain = await world.drain_dry()
    await world.post(event(nanos=1, id="a"))
    older = await world.copy_valkey()
    await world.drain_dry(drain)
    await world.post(event(nanos=2, id="b"))
    await world.drain_dry(drain)
    await world.restore_valkey(older)
    await world.drain_dry(drain)
    assert await world.entry_ids() == ["a", "b"]
    await world.assert_at_rest()
