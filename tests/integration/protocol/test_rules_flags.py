"""Rules 13 to 16: the store's clock, limits beside meters, flags as a pure function, meters that outlive their day."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.core_world import World, event, until
from tollbook.domain.record import Record, Touch
from tollbook.domain.window import DayWindow
from tollbook.enforcement.limits import LimitKeeper
from tollbook.ledger.config import PostgresConfig
from tollbook.ledger.queries import Queries
from tollbook.ports.journal import Limit

pytestmark = pytest.mark.anyio
LIMIT = 100


async def limited(world: World, nanos: int = LIMIT) -> None:
    world.limits = [Limit(None, nanos, 1)]
    await world.drain_dry()


def keeper(world: World) -> LimitKeeper:
    config = PostgresConfig(world.pool, Queries())
    return LimitKeeper(config, world.journal, world.clock, world.telemetry, lambda: world.tenancy, ledger=world.ledger)


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(days=-2)], ids=["fast", "slow"])
async def test_rule_13_a_hosts_wrong_clock_opens_and_closes_no_window(world: World, ahead: timedelta) -> None:
    """A drain whose host is days off evaluates flags all the same: expiry is by the store's clock alone."""
    await limited(world)
    await world.post(event(nanos=LIMIT, id="a"))
    until = world.tenancy.window_at("acme", world.clock.now()).end
    drain = world.drain()
    world.clock.advance(ahead.total_seconds())
    await drain.step()
    await drain.settled()
    await drain.tick()
    assert await world.throttled()
    assert await world.store.pexpiretime(world.keys.throttled("acme")) == until.timestamp() * 1000
    assert len(await world.all_days()) == 1


async def test_rule_14_a_stale_receiver_cannot_undo_a_lowered_limit(world: World) -> None:
    """Limits live beside the meters under a version: an older one pushed later changes nothing."""
    await limited(world)
    await world.journal.limit(0, [Limit(None, 2, 5)])
    await world.journal.limit(0, [Limit(None, LIMIT, 4)])
    posted = await world.post(event(nanos=2, id="a"))
    assert posted.throttled == ("acme",)
    assert (await world.journal.view(0, "acme", world.today())).limit_nanos == 2


async def test_rule_14_limits_follow_the_configuration_and_come_back_with_a_rebuild(world: World) -> None:
    """What Postgres says is pushed at the next look and loaded by every rebuild before it opens."""
    follower = keeper(world)
    world.load_limits = follower.load
    await world.drain_dry()
    config = PostgresConfig(world.pool, Queries())
    assert await follower.follow() == 1
    await world.post(event(nanos=LIMIT, id="a"))
    assert not await world.throttled()
    await config.set_limit("acme", LIMIT, "test")
    assert await follower.follow() == 1
    assert await world.throttled()
    await world.lose_valkey()
    await world.drain_dry()
    assert (await world.journal.view(0, "acme", world.today())).limit_nanos == LIMIT
    await config.set_limit("acme", None, "test")
    await follower.follow()
    assert (await world.journal.view(0, "acme", world.today())).limit_nanos == 50_000_000_000
    assert not await world.throttled()


async def test_rule_15_a_duplicates_flag_goes_with_its_record(world: World) -> None:
    """A retry that is still in the journal counts twice for a moment; its drain takes the flag back."""
    await limited(world)
    await world.post(event(nanos=60, id="a"))
    await world.drain_dry()
    await world.post(event(nanos=60, id="a"))
    assert await world.throttled()
    await world.drain_dry()
    assert not await world.throttled()
    await world.assert_at_rest()


async def test_rule_15_an_inbox_event_sets_the_flag(world: World) -> None:
    """What came while Valkey was away counts against the limit as soon as it is drained."""
    await limited(world)
    await world.ledger.inbox_append(world.record(event(nanos=LIMIT, id="a")))
    await world.drain_dry()
    assert await world.throttled()


async def test_rule_15_a_lowered_limit_sets_the_flag_and_a_raised_one_clears_it(world: World) -> None:
    """Nothing has to be posted for a new limit to show."""
    follower = keeper(world)
    world.load_limits = follower.load
    await world.drain_dry()
    await world.post(event(nanos=60, id="a"))
    await world.drain_dry()
    config = PostgresConfig(world.pool, Queries())
    await config.set_limit(None, 60, "test")
    await follower.follow()
    assert await world.throttled()
    await config.set_limit(None, 61, "test")
    await follower.follow()
    assert not await world.throttled()


async def test_rule_15_a_record_of_poison_takes_its_flag_back(world: World) -> None:
    """A row that ends among the dead letters was never spend: pending and flag go with its record."""
    await limited(world)
    record = world.record(event(nanos=LIMIT, id="a", run="nul"))
    poisoned = Record(0, record.nonce, 1, record.touches, record.rows.replace(b"nul", b"n\0l"))
    drain = world.drain()
    await drain.step()
    await drain.settled()
    assert (await world.journal.post(poisoned)).throttled == ("acme",)
    assert await drain.step()
    await drain.settled()
    assert not await world.throttled()
    assert await world.spend_cents() == 0
    await world.drain_dry()
    await world.assert_at_rest()


async def test_rule_15_the_tick_repairs_what_was_lost_outside(world: World) -> None:
    """A derived key that somebody deleted is back a second later; one that somebody set is gone."""
    await limited(world)
    await world.post(event(nanos=LIMIT, id="a"), event("other", 1, id="b"))
    drain = await world.drain_dry()
    await world.store.delete(world.keys.throttled("acme"), world.keys.spend("acme", world.today()))
    await world.store.set(world.keys.throttled("other"), "1")
    await drain.tick()
    assert await world.throttled("acme")
    assert await world.spend_cents() == 0
    assert not await world.throttled("other")


async def test_rule_15_the_tick_opens_a_window_that_was_in_the_future(world: World) -> None:
    """Spend dated minutes ahead throttles nobody yesterday, and does once its day has begun."""
    await limited(world)
    start = datetime.now(UTC) + timedelta(milliseconds=300)
    window = DayWindow(world.today() + timedelta(days=1), start, start + timedelta(hours=1))
    record = world.record(event(nanos=LIMIT, id="a"))
    await world.journal.post(Record(0, record.nonce, 1, (Touch("acme", window, LIMIT),), record.rows))
    assert not await world.throttled()
    drain = world.drain()
    await drain.tick()

    async def begun() -> bool:
        return await world.journal.now_ms(0) >= start.timestamp() * 1000

    await until(begun)
    await drain.tick()
    assert await world.throttled()


async def test_rule_16_a_day_that_closed_while_postgres_was_away_keeps_its_meter(world: World) -> None:
    """Pending of a long closed day is there when it is settled: it goes to 0, never below.

    With an expiry on the meter, or a sweep that does not look at pending, settle would leave pending at -5.
    """
    await world.drain_dry()
    long_ago = world.day_before(6)
    await world.post(event(nanos=5, id="a", ts=long_ago))
    day = long_ago.astimezone(UTC)
    window = world.tenancy.window_at("acme", day)
    drain = world.drain()
    real, world.ledger.book = world.ledger.book, _away
    with pytest.raises(_Away):
        await drain.step()
    await drain.tick()
    assert (await world.journal.view(0, "acme", window.day)).pending_nanos == 5
    del world.ledger.book
    assert world.ledger.book == real
    await drain.step()
    await drain.settled()
    view = await world.journal.view(0, "acme", window.day)
    assert (view.settled_nanos, view.pending_nanos) == (5, 0)
    await drain.tick()
    assert await world.all_days() == []
    assert await world.store.exists(world.keys.tenant(0, "acme")) == 0
    assert await world.settled_totals() == {("acme", window.day): 5}


async def test_rule_16_no_meter_state_expires(world: World) -> None:
    """Only the two derived keys have an expiry."""
    await limited(world)
    await world.post(event(nanos=LIMIT, id="a"))
    await world.drain_dry()
    derived = {world.keys.throttled("acme").encode(), world.keys.spend("acme", world.today()).encode()}
    keys = await world._own_keys()
    assert {key for key in keys if await world.store.pttl(key) >= 0} == derived
    assert derived < set(keys)


class _Away(Exception):
    pass


async def _away(*_: object) -> None:
    raise _Away
