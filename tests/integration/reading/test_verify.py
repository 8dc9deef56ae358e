"""`verify` proves a clean system, names each equation that does not hold, and never cries wolf under load."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.kept_day import KeptDays
from tests.world import World, event
from tollbook.pipeline.equations import Equation, Outcome
from tollbook.pipeline.verify import render_equations


@pytest.fixture
def booked(world: World) -> World:
    """Two tenants with entries of every kind: priced and not, with a run and without, instances, late ones."""
    now = world.clock.now()
    world.follow_limits()
    world.book(
        event(id="a-1", run="r-1", agent="planner/researcher#1"),
        event(id="a-2", run="r-1", agent="planner/researcher#2", cache_read=10, cache_write_5m=5, cache_write_1h=5),
        event(id="a-3", model="unheard-of", ts=now - timedelta(days=3)),
        event(id="a-1", run="r-1", agent="planner/researcher#1"),
        event("globex", reasoning=7, call_id="c"),
    )
    world.follow_limits()
    for partition in world.drains:
        world.run(world.views.fold(partition, 100))
    return world


def verified(world: World, **settings: object) -> dict[str, Equation]:
    """Every equation by its name."""
    found = world.run(world.verify(**settings).run(world.drains))
    return {equation.name: equation for equation in found}


def broken(world: World, **settings: object) -> set[str]:
    """The names of the equations that differ."""
    return {name for name, found in verified(world, **settings).items() if found.outcome is Outcome.DIFFERS}


def test_a_clean_system_at_rest_holds_everywhere(booked: World) -> None:
    found = verified(booked)
    assert {equation.outcome for equation in found.values()} == {Outcome.HOLDS}, render_equations(list(found.values()))
    assert found["daily_spend"].left == 3 * 150_000 + 150 * 80_000
    assert found["entry_identity"].left == found["identity_entry"].left == 4
    assert found["settled"].left == 3 * 150_000 + 150 * 80_000
    assert found["price"].left == 3


def test_an_empty_system_holds_or_is_being_built(world: World) -> None:
    assert not broken(world)


def test_what_waits_in_the_journal_is_pending_and_nothing_differs(booked: World) -> None:
    booked.accept(event(), event("initech"))
    found = verified(booked)
    assert found["pending"].left == found["pending"].right == 300_000
    assert {equation.outcome for equation in found.values()} == {Outcome.HOLDS}


def test_since_leaves_earlier_days_out(booked: World) -> None:
    today = booked.clock.now().date()
    found = {equation.name: equation for equation in booked.run(booked.verify().run(booked.drains, today))}
    assert found["daily_spend"].left == 3 * 150_000
    assert {equation.outcome for equation in found.values()} == {Outcome.HOLDS}


SQL_CORRUPTIONS: dict[str, tuple[str, set[str]]] = {
    "cost": (
        "UPDATE entry SET cost_nanos = cost_nanos + 1 WHERE event_id = 'a-2'",
        {"daily_spend", "rollup_hour", "run_total"},
    ),
    "tokens": ("UPDATE entry SET reasoning = reasoning + 1 WHERE tenant = 'globex'", {"rollup_hour"}),
    "entry gone": (
        "DELETE FROM entry WHERE event_id = 'a-3'",
        {"daily_spend", "rollup_hour", "identity_entry"},
    ),
    "identity gone": (
        "DELETE FROM identity i USING entry e WHERE e.entry_id = i.entry_id AND e.event_id = 'a-1'",
        {"entry_identity"},
    ),
    "identity alone": (
        "INSERT INTO identity SELECT max(generation), gen_random_uuid(), 0 FROM identity",
        {"identity_entry"},
    ),
    "day's calls": ("UPDATE daily_spend SET calls = calls + 1 WHERE tenant_id = 'globex'", {"daily_spend"}),
    "day gone": ("DELETE FROM daily_spend WHERE tenant_id = 'globex'", {"daily_spend", "settled"}),
    "day invented": (
        "INSERT INTO daily_spend (tenant_id, day, cost_nanos, calls, input, output, unpriced_nanos, window_start,"
        " window_end, partition) SELECT 'nobody', day, 0, 0, 0, 0, 0, window_start, window_end, partition"
        " FROM daily_spend LIMIT 1",
        {"daily_spend"},
    ),
    "hour's total": ("UPDATE rollup_hour SET cache_read = 0 WHERE cache_read > 0", {"rollup_hour", "rollup_day"}),
    "day's rollup": ("UPDATE rollup_day SET calls = calls + 1 WHERE tenant = 'globex'", {"rollup_day"}),
    "month's rollup": ("DELETE FROM rollup_month WHERE tenant = 'globex'", {"rollup_day"}),
    "everyone's hour": ("UPDATE rollup_fleet_hour SET unpriced_nanos = unpriced_nanos + 1", {"rollup_day"}),
    "cursor": ("UPDATE rollup_cursor SET version = version - 1 WHERE version > 0", {"rollup_day"}),
    "run's total": ("UPDATE run_total SET cost_nanos = 0 WHERE agent = 'planner/researcher#1'", {"run_total"}),
    "run's time": ("UPDATE run_total SET last_ts = last_ts + interval '1 s'", {"run_total"}),
    "price gone": ("DELETE FROM price", {"price"}),
    "version": ("UPDATE partition SET version = version + 1 WHERE version > 0", {"version"}),
    "batch gone": (
        "DELETE FROM ledger_batch b USING partition p WHERE p.partition = b.partition AND p.version = b.version",
        {"version"},
    ),
}


@pytest.mark.parametrize("name", SQL_CORRUPTIONS)
def test_a_corrupt_ledger_is_found_by_name(booked: World, name: str) -> None:
    statement, expected = SQL_CORRUPTIONS[name]
    booked.execute(statement)
    assert broken(booked, snapshots_max=2, polls_max=2) == expected


def test_an_entry_booked_twice_is_found(booked: World) -> None:
    columns = (
        "entry_id, ts, cost_nanos, price_id, version, input, output, cache_read, cache_write_5m, cache_write_1h,"
        " reasoning, day, partition, flags, tenant, agent, model, source"
    )
    booked.execute(f"INSERT INTO entry ({columns}) SELECT {columns} FROM entry WHERE tenant = 'globex'")
    assert broken(booked) == {"entry_once", "daily_spend", "rollup_hour"}


def test_a_ledger_that_went_back_in_time_is_found(booked: World) -> None:
    booked.execute("UPDATE partition SET version = version - 1 WHERE version > 0")
    assert {"fence", "version"} <= broken(booked)


def _tenant_key(world: World, tenant: str = "acme") -> str:
    return world.keys.tenant(world.directory.tenancy.partition_of(tenant), tenant)


def _change_day(world: World, **changed: object) -> None:
    kept = KeptDays(world.store, world.keys, world.directory.tenancy.partition_of("acme"))
    world.run(kept.change("acme", world.clock.now().date(), **changed))


def _set_settled(world: World) -> None:
    _change_day(world, settled=1)


def _lose_day(world: World) -> None:
    partition = world.directory.tenancy.partition_of("acme")
    world.run(world.store.delete(world.keys.day(partition, world.clock.now().date().isoformat())))


def _set_pending(world: World) -> None:
    _change_day(world, pending=30_000_000)


def _set_held(world: World) -> None:
    world.run(world.store.hset(_tenant_key(world), f"day:{world.clock.now().date().isoformat()}:h", "5"))


def _set_flag(world: World) -> None:
    world.run(world.store.set(world.keys.throttled("acme"), "1"))


def _set_spend(world: World) -> None:
    world.run(world.store.set(world.keys.spend("acme", world.clock.now().date()), "99"))


def _lose_spend(world: World) -> None:
    world.run(world.store.delete(world.keys.spend("acme", world.clock.now().date())))


def _set_limit(world: World) -> None:
    world.run(world.store.hset(_tenant_key(world), "limit", "500"))


COUNTER_CORRUPTIONS: dict[str, tuple[Callable[[World], None], set[str]]] = {
    "settled": (_set_settled, {"settled"}),
    "day lost": (_lose_day, {"settled"}),
    "pending": (_set_pending, {"pending", "spend"}),
    "held": (_set_held, {"held"}),
    "flag": (_set_flag, {"throttled"}),
    "spend": (_set_spend, {"spend"}),
    "spend lost": (_lose_spend, {"spend"}),
    "limit": (_set_limit, {"limit", "throttled"}),
}


@pytest.mark.parametrize("name", COUNTER_CORRUPTIONS)
def test_corrupt_counters_are_found_by_name(booked: World, name: str) -> None:
    corrupt, expected = COUNTER_CORRUPTIONS[name]
    corrupt(booked)
    assert broken(booked) == expected


def test_a_throttled_tenant_holds(booked: World) -> None:
    booked.run(booked.config.set_limit("acme", 300_000, "test"))
    booked.follow_limits()
    found = verified(booked)
    assert found["throttled"].left == found["throttled"].right == 1
    assert {equation.outcome for equation in found.values()} == {Outcome.HOLDS}


def test_lost_counters_are_busy_until_they_are_rebuilt(booked: World) -> None:
    booked.run(booked.store.flushall())
    assert {verified(booked)[name].outcome for name in ("fence", "settled", "spend")} == {Outcome.BUSY}
    booked.drain()
    assert {equation.outcome for equation in verified(booked).values()} == {Outcome.HOLDS}


def test_a_dead_drain_is_busy_and_not_broken(booked: World) -> None:
    partition = booked.directory.tenancy.partition_of("acme")
    booked.execute("UPDATE partition SET version = version + 1 WHERE partition = $1", partition)
    found = verified(booked, snapshots_max=2, polls_max=2)
    assert found["fence"].outcome is found["settled"].outcome is Outcome.BUSY
    assert "not compared" in render_equations(list(found.values()))


def test_a_busy_system_never_differs(booked: World) -> None:
    async def under_load() -> list[Equation]:
        stopped = asyncio.Event()

        async def send(number: int) -> None:
            while not stopped.is_set():
                await booked.accepting([event(f"tenant-{number}", run="r"), event()])

        async def drain() -> None:
            while not stopped.is_set():
                for one in booked.drains.values():
                    await one.step()

        tasks = [asyncio.create_task(work) for work in (send(1), send(2), drain())]
        found: list[Equation] = []
        for _ in range(8):
            found += await booked.verify(polls_max=200).run(booked.drains)
        stopped.set()
        await asyncio.gather(*tasks)
        return found

    found = booked.run(under_load())
    assert not [equation for equation in found if equation.outcome is Outcome.DIFFERS]
    assert {equation.name for equation in found if equation.outcome is Outcome.HOLDS} >= {"settled", "pending", "spend"}


def test_the_equations_read_as_lines(booked: World) -> None:
    booked.execute("UPDATE daily_spend SET calls = calls + 1 WHERE tenant_id = 'globex'")
    text = render_equations(list(verified(booked).values()))
    assert "differs  daily_spend" in text
    assert "globex" in text
    assert "holds    rollup_hour" in text
