"""Rules 7, 19 and 20 and the stores' absences: what an answer promises, and what becomes of it."""

import asyncio

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.core_world import World, event, until
from tests.kept_day import KeptDay, KeptDays
from tests.servers import empty_valkey
from tollbook.domain.errors import JournalUnavailable, LedgerConfused, LedgerUnavailable, StoreError
from tollbook.domain.record import Record
from tollbook.embedded import ValkeyServer
from tollbook.pipeline.accept import Overloaded
from tollbook.pipeline.commits import CommitTimeout
from tollbook.telemetry import Accepted, Drained, Rebuilt, StoreTrouble

pytestmark = pytest.mark.anyio


async def test_rule_07_committed_means_ones_own_nonce(world: World) -> None:
    """a is lost by a FLUSHALL, b is drained: b's sender is answered, a's is told to come back.

    With confirmation by position ("drained up to b") a would be confirmed and gone.
    """
    await world.drain_dry()
    intake = world.new_intake(ack_timeout_s=1.0)
    a = asyncio.create_task(intake.accept(world.resolve([event(nanos=1, id="a")]), "ledger"))
    assert await world.journal.wait(0, "", 60_000)
    await world.lose_valkey()
    b = asyncio.create_task(intake.accept(world.resolve([event(nanos=2, id="b")]), "ledger"))
    assert await world.journal.wait(0, "", 60_000)
    await world.drain_dry()
    await b
    with pytest.raises(CommitTimeout):
        await a
    assert await world.entry_ids() == ["b"]


async def test_rule_07_a_record_committed_before_its_sender_waits_is_confirmed(world: World) -> None:
    """The drain may be faster than the receiver's own next step; the commit is found all the same."""
    await world.drain_dry()
    real_post = world.journal.post

    async def post_and_drain(record: Record) -> object:
        posted = await real_post(record)
        await world.drain_dry()
        return posted

    world.journal.post = post_and_drain
    async with asyncio.timeout(20):
        await asyncio.gather(*(world.accept(event(nanos=1, id=f"e{n}"), ack="ledger") for n in range(5)))
    assert len(await world.entry_ids()) == 5


async def test_rule_07_a_record_in_the_inbox_is_confirmed_by_its_nonce_too(world: World) -> None:
    """With Valkey away `ack=ledger` still answers once the drain has booked the inbox."""
    world.journal._store = Redis.from_url("redis://127.0.0.1:1/0")
    accepting = asyncio.create_task(world.accept(event(nanos=1, id="a"), ack="ledger"))
    await until(lambda: world.ledger.inbox_peek(0, 1))
    assert await world.drain().step()
    await accepting
    assert await world.entry_ids() == ["a"]


async def test_rule_19_with_valkey_away_events_wait_in_postgres(world: World) -> None:
    """Records go to the inbox, are booked from there, and the counters have them when Valkey is back."""
    await world.drain_dry()
    store, world.journal._store = world.store, Redis.from_url("redis://127.0.0.1:1/0")
    await world.accept(event(nanos=1, id="a"), event(nanos=2, id="b"))
    assert [record.via for record in world.telemetry.of(Accepted)] == ["inbox"]
    drain = world.drain()
    assert await drain.step()
    await drain.settled()
    assert await world.entry_ids() == ["a", "b"]
    assert await world.ledger.inbox_peek(0, 10) == []
    world.journal._store = store
    await world.drain_dry(drain)
    assert (await world.journal.view(0, "acme", world.today())).settled_nanos == 3
    await world.assert_at_rest()


async def test_rule_19_after_one_failure_records_go_to_the_inbox_until_a_probe_is_answered(world: World) -> None:
    """A Valkey that failed is asked beside the money path, not by every record, and is trusted once it answers."""
    world.journal._store = Redis.from_url("redis://127.0.0.1:1/0")
    await world.accept(event(nanos=1, id="a"))
    await world.accept(event(nanos=1, id="b"))
    assert [trouble.store for trouble in world.telemetry.of(StoreTrouble)] == ["valkey"]
    world.journal._store = world.store
    probing = world.intake._probing
    assert probing is not None
    await probing
    await world.accept(event(nanos=1, id="c"))
    assert [record.via for record in world.telemetry.of(Accepted)] == ["inbox", "inbox", "journal"]
    await world.drain_dry()
    assert await world.entry_ids() == ["a", "b", "c"]
    await world.assert_at_rest()


async def test_a_post_that_was_carried_out_and_not_answered_is_counted_once(world: World) -> None:
    """The journal has the record and so has the inbox, under one identity: one entry, pending back to 0."""
    await world.drain_dry()
    real_post = world.journal.post

    async def post_without_answer(record: Record) -> None:
        await real_post(record)
        raise JournalUnavailable("the answer was lost")

    world.journal.post = post_without_answer
    await world.accept(event(nanos=5, id="a"))
    assert (await world.journal.view(0, "acme", world.today())).pending_nanos == 5
    await world.drain_dry()
    assert await world.entry_ids() == ["a"]
    await world.assert_at_rest()


async def test_a_record_that_would_overflow_a_meter_goes_to_the_inbox(world: World) -> None:
    """Valkey's sum is full: the record is kept in Postgres, which decides row by row."""
    await world.drain_dry()
    day = world.today()
    kept = KeptDays(world.store, world.keys)
    await kept.put("acme", day, KeptDay(0, 2**63 - 1, ""))
    await world.accept(event(nanos=1, id="a"))
    assert (await kept.read("acme", day)) == KeptDay(0, 2**63 - 1, "")
    await kept.put("acme", day, KeptDay(0, 0, ""))
    assert [record.via for record in world.telemetry.of(Accepted)] == ["inbox"]
    await world.drain_dry()
    await world.assert_at_rest()


async def test_rule_20_ack_journal_loses_exactly_what_was_not_drained(world: World) -> None:
    """FLUSHALL takes the undrained and nothing else; the senders' retries bring it back, once."""
    await world.drain_dry()
    await world.accept(event(nanos=1, id="a"))
    await world.drain_dry()
    await world.accept(event(nanos=2, id="b"), event(nanos=4, id="c"))
    await world.lose_valkey()
    await world.drain_dry()
    assert await world.entry_ids() == ["a"]
    await world.assert_at_rest()
    await world.accept(event(nanos=1, id="a"), event(nanos=2, id="b"), event(nanos=4, id="c"))
    await world.drain_dry()
    assert await world.settled_totals() == {("acme", world.today()): 7}
    await world.assert_at_rest()


async def test_rule_20_ack_ledger_loses_nothing(world: World) -> None:
    """What was acknowledged with `ack=ledger` is there after Valkey is gone; what was lost was never acknowledged."""
    drain = await world.drain_dry()
    intake = world.new_intake(ack_timeout_s=2.0)
    lost_once = []
    acknowledged = []

    async def send(number: int) -> None:
        try:
            await intake.accept(world.resolve([event(nanos=1, id=f"e{number}")]), "ledger")
        except CommitTimeout:
            return
        acknowledged.append(f"e{number}")

    senders = [asyncio.create_task(send(number)) for number in range(6)]
    assert await world.journal.wait(0, "", 60_000)
    while not all(sender.done() for sender in senders):
        if not lost_once and len(await world.journal.read(0, "", 100)) >= 1:
            lost_once.append(True)
            await world.lose_valkey()
        world.clock.advance(2)
        await drain.step()
        await drain.settled()
    await world.drain_dry(drain)
    assert lost_once
    assert set(acknowledged) <= set(await world.entry_ids())
    assert len(acknowledged) < 6
    await world.assert_at_rest()


async def test_with_postgres_away_events_are_taken_counted_and_enforced(world: World) -> None:
    """Posts and flags need Valkey alone; the drain books all of it once Postgres is back."""
    await world.drain_dry()
    drain = world.drain()
    pool, world.ledger._pool = world.pool, await no_postgres()
    world.ledger._booking._pool = world.ledger._pool
    with pytest.raises(LedgerUnavailable):
        await drain.step()
    await world.accept(event(nanos=49_999_999_999 // 25, id="a"))
    await world.accept(event("dear", 50, id="b", model="dear"))
    assert await world.throttled("dear")
    assert not await world.throttled("acme")
    with pytest.raises(LedgerUnavailable):
        await drain.step()
    world.ledger._pool = world.ledger._booking._pool = pool
    await world.drain_dry(drain)
    assert await world.entry_ids() == ["a", "b"]
    assert await world.throttled("dear")
    await world.assert_at_rest()


async def test_with_both_stores_away_the_sender_is_told(world: World) -> None:
    """Nothing can keep the record: the error says so and may be retried; a retry is counted once."""
    pool, world.ledger._pool = world.pool, await no_postgres()
    world.journal._store = Redis.from_url("redis://127.0.0.1:1/0")
    with pytest.raises(StoreError) as told:
        await world.accept(event(nanos=1, id="a"))
    assert told.value.retryable
    world.ledger._pool, world.journal._store = pool, world.store
    world.clock.advance(1)
    await world.accept(event(nanos=1, id="a"))
    await world.drain_dry()
    assert await world.entry_ids() == ["a"]
    await world.assert_at_rest()


async def test_a_full_buffer_tells_the_sender_and_keeps_what_it_took(world: World) -> None:
    """While one record is on its way and the next is full, a sender is told to come back; nothing taken is dropped."""
    await world.drain_dry()
    intake = world.new_intake(waiting_events_max=2, record_events_max=1)
    real_post, gate = world.journal.post, asyncio.Event()

    async def slow_post(record: Record) -> object:
        await gate.wait()
        return await real_post(record)

    world.journal.post = slow_post
    senders = [
        asyncio.create_task(intake.accept(world.resolve([event(nanos=1, id=f"e{number}")]), "journal"))
        for number in range(5)
    ]
    await asyncio.wait(senders, return_when=asyncio.FIRST_COMPLETED)
    gate.set()
    results = await asyncio.gather(*senders, return_exceptions=True)
    told = [result for result in results if isinstance(result, Overloaded)]
    assert len(told) >= 1
    await world.drain_dry()
    assert len(await world.entry_ids()) == 5 - len(told)
    await world.assert_at_rest()


async def test_a_ledger_that_goes_back_in_time_stops_the_drain(world: World) -> None:
    """A fence ahead of Postgres within one ledger epoch is an alarm, never "already applied"."""
    await world.drain_dry()
    for name in "ab":
        await world.post(event(nanos=1, id=name))
        await world.drain_dry()
    running = await world.drain_dry()
    await set_ledger_back(world, versions=1)
    with pytest.raises(LedgerConfused):
        await world.drain_dry()
    world.clock.advance(2)
    with pytest.raises(LedgerConfused):
        await running.step()
    await world.post(event(nanos=1, id="c"))
    with pytest.raises(LedgerConfused):
        await world.drain_dry(running)
    assert len(await world.journal.read(0, "", 10)) == 1


async def test_a_drain_loses_nothing_it_booked_before_the_ledger_went_back(world: World) -> None:
    """A record booked and not yet settled when Postgres goes back stays in the journal: it is all there is of it."""
    await world.drain_dry()
    await world.post(event(nanos=1, id="a"))
    drain = await world.drain_dry()
    await world.post(event(nanos=2, id="b"))
    store = world.journal._store
    assert await drain.step()
    world.journal._store = Redis.from_url("redis://127.0.0.1:1/0")
    await drain.settled()
    world.journal._store = store
    await set_ledger_back(world, versions=2)
    world.clock.advance(2)
    with pytest.raises(LedgerConfused):
        await drain.step()
    assert len(await world.journal.read(0, "", 10)) == 1


async def test_a_ledger_declared_restored_is_rebuilt_from_and_may_lower_numbers(world: World) -> None:
    """With a new ledger epoch every counter is set anew from what Postgres has, unsettled records are booked again."""
    await world.drain_dry()
    await world.post(event(nanos=1, id="a"))
    await world.drain_dry()
    await world.post(event(nanos=2, id="b"), event("only lost", 8, id="x"))
    drain = await world.drain_dry()
    await world.post(event(nanos=4, id="c"))
    world.journal._store = Redis.from_url("redis://127.0.0.1:1/0")
    assert await world.drain_one_blind(drain)
    world.journal._store = world.store
    await set_ledger_back(world, versions=2, keep=2)
    await world.execute("UPDATE ledger SET ledger_epoch = gen_random_uuid()")
    await world.drain_dry(drain)
    assert await world.entry_ids() == ["a", "c"]
    assert await world.settled_totals() == {("acme", world.today()): 5}
    assert (await world.journal.view(0, "acme", world.today())).settled_nanos == 5
    assert (await world.journal.view(0, "only lost", world.today())).settled_nanos == 0
    await world.assert_at_rest()


async def test_poison_costs_nobody_else(world: World) -> None:
    """A row that Postgres refuses ends among the dead letters; its neighbours are booked and its pending goes."""
    await world.drain_dry()
    good = world.record(event(nanos=1, id="a"), event("other", 2, id="b"))
    record = world.record(event(nanos=100, id="p", run="nul"))
    poisoned = Record(0, record.nonce, 1, record.touches, record.rows.replace(b"nul", b"n\0l"))
    for each in (good, poisoned):
        await world.journal.post(each)
    await world.ledger.inbox_append(poisoned)
    await world.drain_dry()
    assert await world.entry_ids() == ["a", "b"]
    assert [drained.dead for drained in world.telemetry.of(Drained)] == [2]
    await world.assert_at_rest()


async def test_a_pruned_history_is_rebuilt_over(world: World) -> None:
    """A fence older than what the ledger remembers cannot be caught up with: everything is read instead."""
    await world.drain_dry()
    older = await world.copy_valkey()
    for number in range(3):
        await world.post(event(f"t{number}", 1, id="a"))
        await world.drain_dry()
    await world.execute("DELETE FROM ledger_batch")
    await world.restore_valkey(older)
    before = len(world.telemetry.of(Rebuilt))
    await world.drain_dry()
    assert len(world.telemetry.of(Rebuilt)) == before + 1
    await world.assert_at_rest()


async def test_a_valkey_killed_and_restarted_goes_on(world: World, valkey_server: ValkeyServer) -> None:
    """With its file kept, a restart loses nothing that was acknowledged and nothing is counted twice."""
    await world.drain_dry()
    await world.accept(event(nanos=1, id="a"))
    valkey_server.kill()
    world.clock.advance(1)
    await world.accept(event(nanos=2, id="b"))
    drain = world.drain()
    assert await drain.step()
    await drain.settled()
    valkey_server.restart()
    await world.drain_dry(drain)
    assert await world.entry_ids() == ["a", "b"]
    await world.assert_at_rest()
    empty_valkey(valkey_server)


async def no_postgres() -> asyncpg.Pool:
    """A pool that finds nobody."""
    return await asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0)


async def set_ledger_back(world: World, *, versions: int, keep: int = 0) -> None:
    """Restore Postgres to an earlier version by hand, as a backup would."""
    standing = await world.ledger.standing(0)
    to = keep or standing.version - versions
    await world.execute("DELETE FROM identity WHERE entry_id IN (SELECT entry_id FROM entry WHERE version > $1)", to)
    await world.execute("DELETE FROM entry WHERE version > $1", to)
    await world.execute("DELETE FROM ledger_batch WHERE version > $1", to)
    await world.execute("UPDATE partition SET version = $1 WHERE partition = 0", to)
    await world.execute("TRUNCATE daily_spend")
    await world.execute(
        """
        INSERT INTO daily_spend (tenant_id, day, cost_nanos, calls, input, output, unpriced_nanos, window_start,
            window_end, partition)
        SELECT tenant, day, sum(cost_nanos), count(*), 0, 0, 0, day - interval '12 hours', day + interval '36 hours', 0
        FROM entry GROUP BY tenant, day
        """
    )
