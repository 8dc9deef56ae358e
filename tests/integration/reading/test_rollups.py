"""The rollups that follow behind the ledger: added to once, by whoever comes first, and found by their indexes."""

import asyncio
from datetime import date, timedelta

import pytest

from tests.world import World, event
from tollbook.pipeline.follow import Follower

TABLES = ("rollup_day", "rollup_month", "rollup_fleet_hour")


def _dump(world: World, table: str) -> list[tuple[object, ...]]:
    """The rows of a rollup without the partition, which tells followers apart and nobody else."""
    columns = {
        "rollup_day": "day, tenant, agent, model",
        "rollup_month": "month, tenant, agent, model",
        "rollup_fleet_hour": "day, hour",
    }[table]
    rows = world.run(
        world.pool.fetch(
            f"SELECT {columns}, sum(calls), sum(cost_nanos), sum(unpriced_nanos), sum(input), sum(output),"
            f" sum(cache_read), sum(cache_write), sum(reasoning) FROM {table} GROUP BY {columns} ORDER BY {columns}"
        )
    )
    return [tuple(row) for row in rows]


def _fill(world: World) -> None:
    now = world.clock.now()
    for round_ in range(3):
        world.book(
            *(
                event(
                    f"tenant-{number % 5}",
                    agent=f"planner#{number}/worker#{round_}",
                    model=("m-1", "m-2")[number % 2],
                    ts=now - timedelta(days=number, hours=number),
                    cache_read=number,
                )
                for number in range(20)
            )
        )


def test_followed_and_made_anew_are_the_same(world: World) -> None:
    _fill(world)
    for partition in world.drains:
        while world.run(world.views.fold(partition, 1)):
            pass
    followed = {table: _dump(world, table) for table in TABLES}
    assert all(followed.values())
    world.execute("SELECT ledger_fold_anew()")
    assert {table: _dump(world, table) for table in TABLES} == followed
    assert [world.run(world.views.fold(partition, 100)) for partition in world.drains] == [0] * len(world.drains)


def test_two_followers_at_once_add_nothing_twice(world: World) -> None:
    _fill(world)

    async def race() -> None:
        for _ in range(3):
            folds = [world.views.fold(partition, 1) for partition in world.drains for _ in range(3)]
            await asyncio.gather(*folds)

    world.run(race())
    raced = {table: _dump(world, table) for table in TABLES}
    world.execute("SELECT ledger_fold_anew()")
    assert {table: _dump(world, table) for table in TABLES} == raced


def test_a_follower_takes_what_is_booked_and_then_has_nothing_to_do(world: World) -> None:
    world.book(event())
    partition = world.directory.tenancy.partition_of("acme")
    follower = Follower(partition, world.views, world.clock, world.telemetry)
    assert world.run(follower.step())
    assert not world.run(follower.step())
    rows = world.run(world.pool.fetch("SELECT calls, cost_nanos FROM rollup_day"))
    assert [tuple(row) for row in rows] == [(1, 150_000)]


def test_a_partition_that_is_added_has_its_cursor(world: World) -> None:
    world.execute("INSERT INTO partition (partition) VALUES (77)")
    assert world.run(world.pool.fetchval("SELECT version FROM rollup_cursor WHERE partition = 77")) == 0
    assert world.run(world.views.fold(77, 10)) == 0


DAY = date(2026, 11, 1)
PLANS = {
    "spend_days_of_all": ((DAY, DAY, True, True, False, True, True, 10), "rollup_day_pkey"),
    "spend_days_of_tenant": ((DAY, DAY, True, True, False, True, True, 10, "acme"), "rollup_day_pkey"),
    "spend_months_of_all": ((DAY, DAY, True, False, False, True, True, 10), "rollup_month_pkey"),
    "spend_months_of_tenant": ((DAY, DAY, True, False, False, True, True, 10, "acme"), "rollup_month_pkey"),
    "spend_hours_of_all": ((DAY, DAY, False, True, True, False, False, 10), "rollup_fleet_hour_pkey"),
    "spend_dearest": ((DAY, DAY, True, True, False, 10, None), "rollup_day_pkey"),
    "spend_parts_by_hour": (("acme", DAY, DAY, True, ["a"]), "rollup_hour_pkey"),
    "spend_parts_by_day": (("acme", DAY, DAY, True, ["a"]), "rollup_day_pkey"),
    "spend_parts_by_month": (("acme", DAY, DAY, True, ["a"]), "rollup_month_pkey"),
    "tenant_days_of": (("acme", DAY), "daily_spend_pkey"),
    "tenants_known": (("", 10), "daily_spend_pkey"),
    "session_end": ((b"x" * 32,), "web_session_pkey"),
}


def test_every_view_is_answered_by_its_index(world: World) -> None:
    plans = {query: world.plan(query, *arguments) for query, (arguments, _) in PLANS.items()}
    assert {query: plan for query, plan in plans.items() if PLANS[query][1] not in plan} == {}


def test_open_days_and_sessions_are_found_by_their_indexes(world: World) -> None:
    now = world.clock.now()
    assert "daily_spend_open" in world.plan("tenant_days", [0, 1], now)
    assert "alert_throttle_engaged" in world.plan("throttles_engaged", [0, 1], None, now)
    assert "rollup_hour_pkey" in world.plan("tenant_paces", ["acme"], [DAY], now)
    assert "rollup_month_pkey" in world.plan("tenant_months", ["acme"], [DAY])
    assert "web_session_pkey" in world.plan("session_key", b"x" * 32, now)
    assert "ledger_batch_pkey" in world.plan("booked_since", now)


@pytest.mark.parametrize("function", ["ledger_fresh", "ledger_fold"])
def test_what_is_behind_a_cursor_is_found_by_its_index(world: World, function: str) -> None:
    """The functions bring their own planner settings; their bodies are planned here under the same."""
    asked = "SELECT prosrc, proconfig FROM pg_proc WHERE proname = $1"
    body, settings = world.run(world.pool.fetchrow(asked, function))
    arguments = (DAY, DAY, None) if function == "ledger_fresh" else (0, 100)
    typed = body.replace("$1 AND $2", "$1::date AND $2::date").replace("$3 IS NULL", "$3::text IS NULL")

    async def explained() -> str:
        async with world.pool.acquire() as connection, connection.transaction():
            for setting in settings:
                name, _, value = setting.partition("=")
                await connection.execute("SELECT set_config($1, $2, true)", name, value)
            return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {typed}", *arguments))

    plan = world.run(explained())
    entries = [line for line in plan.splitlines() if " on entry" in line]
    assert entries
    # Each month's table has the index under a name of its own.
    assert all("partition_version_idx" in line or "entry_booked" in line for line in entries), plan
