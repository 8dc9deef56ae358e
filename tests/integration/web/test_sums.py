"""Every sum of every view equals `GET /v1/spend`, and that the entries, to the nano-dollar, wherever rollups stand."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from tests.integration.web.visitor import SiteWorld, amounts
from tests.world import World, event
from tollbook.domain.access import Role
from tollbook.domain.money import nanos_from_usd
from tollbook.ports.reading import Dimension

AHEAD = "Pacific/Kiritimati"


def _events(world: World) -> Iterator[Any]:
    """Two months of calls of three tenants, one of them a day ahead, some unpriced, by agents with instances."""
    now = world.clock.now()
    for number in range(60):
        yield event(
            ("acme", "globex", "kiribati")[number % 3],
            agent=("planner#1", "planner#2/fetcher", "writer", "planner/fetcher#9/deep")[number % 4],
            model=("m-1", "m-2")[number % 7 == 0],
            ts=now - timedelta(hours=number * 11 + number % 5, minutes=number),
            input=1_000 + number * 37,
            output=number,
        )


@pytest.fixture
def booked(site: SiteWorld) -> SiteWorld:
    """A ledger of two months, booked in several transactions, of which the rollups have seen some."""
    world = site.world
    admin = world.key(Role.ADMIN)
    world.clock.ahead = -timedelta(days=40)
    assert world.ask("PUT", "/v1/tenants/kiribati/time-zone", admin, json={"time_zone": AHEAD}).status_code == 200
    world.clock.ahead = timedelta()
    world.run(world.directory.refresh())
    every = list(_events(world))
    world.book(*every[:20])
    site.fold()
    world.book(*every[20:40])
    site.fold(versions_max=1)
    world.book(*every[40:])
    return site


def _spent(site: SiteWorld, **query: str) -> dict[str, Any]:
    answer = site.world.get("/v1/spend?" + "&".join(f"{name}={value}" for name, value in query.items()), _key(site))
    assert answer.status_code == 200, answer.text
    return answer.json()


def _key(site: SiteWorld) -> str:
    return site.world.key(Role.READ)


def _month(day: date) -> dict[str, str]:
    last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return {"from": day.replace(day=1).isoformat(), "to": last.isoformat()}


@pytest.mark.parametrize("folds", ["none", "some", "all"])
def test_every_grouping_equals_the_entries_wherever_the_rollups_stand(site: SiteWorld, folds: str) -> None:
    world = site.world
    every = list(_events(world))
    world.book(*every[:30])
    if folds != "none":
        site.fold()
    world.book(*every[30:])
    if folds == "all":
        site.fold()
    today = world.clock.now().date()
    whole = ((today.replace(day=1) - timedelta(days=40)).replace(day=1), date.fromisoformat(_month(today)["to"]))
    for first, last in ((today - timedelta(days=9), today), whole):
        for by in _SUBSETS:
            for tenant in (None, "acme"):
                rows = world.run(world.reading.spend(tenant, first, last, by))
                found = {row.group: tuple(row[1:6]) for row in rows}
                assert found == _entries(world, tenant, first, last, by), (tenant, first, by)


_SUBSETS: tuple[tuple[Dimension, ...], ...] = (
    (),
    ("tenant",),
    ("day",),
    ("hour",),
    ("day", "hour"),
    ("agent",),
    ("model",),
    ("tenant", "agent", "model"),
    ("day", "agent"),
    ("hour", "model"),
)


def _entries(world: World, tenant: str | None, first: date, last: date, by: tuple[Dimension, ...]) -> dict[Any, Any]:
    """The same, added up by hand from the entries."""
    rows = world.run(
        world.pool.fetch(
            "SELECT tenant, day, date_trunc('hour', ts, 'UTC') AS hour, agent, model, calls, cost_nanos, price_id,"
            " input, output FROM entry WHERE day BETWEEN $1 AND $2 AND ($3::text IS NULL OR tenant = $3)",
            first,
            last,
            tenant,
        )
    )
    sums: dict[Any, list[int]] = {}
    for row in rows:
        values = {**dict(row), "agent": "/".join(part.partition("#")[0] for part in row["agent"].split("/"))}
        figures = sums.setdefault(tuple(values[name] for name in by), [0] * 5)
        unpriced = row["cost_nanos"] if row["price_id"] is None else 0
        for place, figure in enumerate((row["calls"], row["cost_nanos"], unpriced, row["input"], row["output"])):
            figures[place] += figure
    return {group: tuple(figures) for group, figures in sums.items()}


def test_the_fleet_adds_up(booked: SiteWorld) -> None:
    facts = booked.reader().get("/?format=json").json()
    today = date.fromisoformat(facts["day"])
    assert facts["today"] == _spent(booked, **_days(today, today))["total"]
    yesterday = today - timedelta(days=1)
    assert facts["yesterday"] == _spent(booked, **_days(yesterday, yesterday))["total"]
    assert facts["this_month"] == _spent(booked, **_month(today))["total"]
    hours = _spent(booked, **_days(today, today), by="hour")["rows"]
    assert _filled(facts["hours"], "hour") == {row["hour"]: row["cost_usd"] for row in hours}
    days = _spent(booked, **_days(today - timedelta(days=29), today), by="day")["rows"]
    assert _filled(facts["days"], "day") == {row["day"]: row["cost_usd"] for row in days}
    agents = _spent(booked, **_days(today, today), by="tenant,agent")["rows"]
    assert {(row["tenant"], row["agent"], row["cost_usd"]) for row in facts["agents"]} == {
        (row["tenant"], row["agent"], row["cost_usd"]) for row in agents
    }
    models = _spent(booked, **_days(today, today), by="model")["rows"]
    assert {(row["model"], row["cost_usd"], row["unpriced_usd"]) for row in facts["models"]} == {
        (row["model"], row["cost_usd"], row["unpriced_usd"]) for row in models
    }


def test_each_tenant_adds_up_in_its_own_day(booked: SiteWorld) -> None:
    lines = booked.reader().get("/tenants?order=name&format=json").json()["rows"]
    assert [line["tenant"] for line in lines] == ["acme", "globex", "kiribati"]
    assert {line["time_zone"] for line in lines} == {"UTC", AHEAD}
    for line in lines:
        today = _spent(booked, tenant=line["tenant"])
        assert (line["day"], line["spent_usd"]) == (today["from"], today["total"]["cost_usd"])
        assert line["calls"] == today["total"]["calls"]
        day = date.fromisoformat(line["day"])
        before = _days(day - timedelta(days=1), day - timedelta(days=1))
        assert line["yesterday_usd"] == _spent(booked, tenant=line["tenant"], **before)["total"]["cost_usd"]
        assert line["month_usd"] == _spent(booked, tenant=line["tenant"], **_month(day))["total"]["cost_usd"]


def test_a_tenants_page_adds_up(booked: SiteWorld) -> None:
    visitor = booked.reader()
    for tenant, step, by in product(("acme", "kiribati"), ("hour", "day", "month"), ("agent", "model")):
        path = f"/tenants/{tenant}?step={step}&by={by}"
        facts = visitor.get(f"{path}&format=json").json()
        days = {"from": facts["first_day"], "to": facts["last_day"]}
        total = _spent(booked, tenant=tenant, **days)["total"]["cost_usd"]
        assert _sum(part["cost_usd"] for part in facts["parts"]) == Decimal(total)
        parts: Counter[str] = Counter()
        for part in facts["parts"]:
            parts[part["part"]] += nanos_from_usd(part["cost_usd"])
        rows = _spent(booked, tenant=tenant, by=by, **days)["rows"]
        assert parts == {row[by]: nanos_from_usd(row["cost_usd"]) for row in rows}
        assert _sum(node["own_usd"] for node in facts["agents"]) == Decimal(total)
        roots = [node for node in facts["agents"] if "/" not in node["agent"]]
        assert _sum(node["inclusive_usd"] for node in roots) == Decimal(total)
        sheet = visitor.get(f"{path}&format=csv").text.splitlines()[1:]
        assert _sum(line.rpartition(",")[2] for line in sheet) == Decimal(total)
        assert total in amounts(visitor.get(path).text) or step != "day"


def test_the_page_shows_what_its_json_says(booked: SiteWorld) -> None:
    visitor = booked.reader()
    facts = visitor.get("/?format=json").json()
    shown = amounts(visitor.get("/").text)
    assert shown[0] == facts["today"]["cost_usd"]
    assert facts["this_month"]["cost_usd"] in shown
    for row in (*facts["tenants"], *facts["agents"], *facts["models"]):
        assert row.get("spent_usd", row.get("cost_usd")) in shown
    assert visitor.get("/?format=json").json()["today"] == booked.world.get("/v1/fleet", _key(booked)).json()["today"]


def _days(first: date, last: date) -> dict[str, str]:
    return {"from": first.isoformat(), "to": last.isoformat()}


def _filled(moments: list[dict[str, Any]], name: str) -> dict[str, str]:
    return {moment[name]: moment["cost_usd"] for moment in moments if moment["calls"]}


def _sum(texts: Any) -> Decimal:
    return sum((Decimal(text) for text in texts), Decimal(0))
