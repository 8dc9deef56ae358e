"""The questions of the reading port, and the indexes that answer them."""

from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from uuid import UUID

import pytest

from tests.world import World, event
from tollbook.ports.reading import Dimension

DIMENSIONS: tuple[Dimension, ...] = ("tenant", "day", "hour", "agent", "model")
SUBSETS = [subset for size in range(6) for subset in combinations(DIMENSIONS, size)]


@pytest.fixture
def booked(world: World) -> World:
    """Three days of two tenants."""
    now = world.clock.now()
    world.book(
        *(
            event(tenant, agent=agent, model=model, ts=now - timedelta(days=age), input=10 + number)
            for number, (tenant, agent, model, age) in enumerate(
                (tenant, agent, model, age)
                for tenant in ("acme", "globex")
                for agent in ("planner#1", "planner#2/fetcher")
                for model in ("m-1", "m-2")
                for age in (0, 1, 2)
            )
        )
    )
    return world


@pytest.mark.parametrize("by", SUBSETS, ids=",".join)
def test_every_grouping_sums_to_the_same_total(booked: World, by: tuple[Dimension, ...]) -> None:
    today = booked.clock.now().date()
    for tenant in (None, "acme"):
        rows = booked.run(booked.reading.spend(tenant, today - timedelta(days=2), today, by))
        calls = 24 if tenant is None else 12
        assert sum(row.calls for row in rows) == calls
        assert len({row.group for row in rows}) == len(rows)
        assert all(len(row.group) == len(by) for row in rows)
        total = booked.run(booked.reading.spend(tenant, today - timedelta(days=2), today, ()))
        assert sum(row.cost_nanos for row in rows) == total[0].cost_nanos
        assert sum(row.unpriced_nanos for row in rows) == total[0].unpriced_nanos > 0


def test_groups_come_in_the_order_asked_for(booked: World) -> None:
    today = booked.clock.now().date()
    rows = booked.run(booked.reading.spend("acme", today, today, ("model", "agent")))
    assert {row.group for row in rows} == {(m, a) for m in ("m-1", "m-2") for a in ("planner", "planner/fetcher")}


def test_days_are_included_on_both_sides(booked: World) -> None:
    today = booked.clock.now().date()
    yesterday = today - timedelta(days=1)
    rows = booked.run(booked.reading.spend("acme", yesterday, today, ("day",)))
    assert [row.group for row in rows] == [(yesterday,), (today,)]
    assert booked.run(booked.reading.spend("acme", date(2020, 1, 1), date(2020, 1, 2), ())) == []


def test_a_run_is_found_with_its_tenant_and_without(world: World) -> None:
    world.book(event("a", run="r"), event("b", run="r"), event("b", run="s"), event("c"))
    assert [tenant for tenant, _ in world.run(world.reading.run(None, "r"))] == ["a", "b"]
    assert [tenant for tenant, _ in world.run(world.reading.run("b", "r"))] == ["b"]
    assert world.run(world.reading.run(None, "t")) == []


def test_the_total_and_the_limit_of_a_day(world: World) -> None:
    world.book(event(), event(model="m-2"))
    total = world.run(world.reading.day("acme", world.clock.now().date()))
    assert (total.calls, total.unpriced_nanos) == (2, 150 * 80_000)
    assert world.run(world.reading.day("nobody", world.clock.now().date())).calls == 0
    assert world.run(world.reading.limit("acme")) == 50_000_000_000
    world.run(world.config.set_limit("acme", 7, "test"))
    assert world.run(world.reading.limit("acme")) == 7
    assert world.run(world.reading.daily("globex")).budget.tenant is None


def test_the_inbox_lag_is_the_age_of_its_oldest_record(world: World) -> None:
    assert world.run(world.reading.lag_s()) == 0
    world.execute(
        "INSERT INTO inbox (partition, nonce, events, row_bytes, received_at)"
        " VALUES (0, gen_random_uuid(), 1, '', clock_timestamp() - interval '1 min')"
    )
    assert 60 <= world.run(world.reading.lag_s()) < 120


NEWEST = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=0))
DAYS = (date(2026, 1, 1), date(2026, 1, 31))
BY_AGENT = (False, False, False, True, False)


@pytest.mark.parametrize(
    ("query", "arguments", "index"),
    [
        ("spend_of_tenant", (*DAYS, *BY_AGENT, 10, "acme"), "rollup_hour_pkey"),
        ("spend_of_all", (*DAYS, *BY_AGENT, 10), "rollup_hour_pkey"),
        ("run_of_tenant", ("r", "acme"), "run_total_pkey"),
        ("run_of_all", ("r",), "run_total_pkey"),
        ("day_of_tenant", ("acme", DAYS[0]), "daily_spend_pkey"),
        ("daily_of_tenant", ("acme",), "budget_pkey"),
        ("inbox_lag", (), "inbox_pkey"),
        ("verify_open_days", (0, NEWEST[0]), "daily_spend_open"),
    ],
)
def test_a_question_is_answered_by_its_index(
    world: World, query: str, arguments: tuple[object, ...], index: str
) -> None:
    plan = world.plan(query, *arguments)
    assert index in plan, plan
    if query not in {"spend_of_all", "daily_of_tenant"}:
        assert "Seq Scan" not in plan, plan
        assert "Filter:" not in plan.replace("Filter: (tenant IS NOT NULL)", ""), plan
