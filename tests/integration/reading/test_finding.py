"""Looking for entries and runs, following commits, and the indexes that answer."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from tests.world import World, event
from tollbook.domain.observation import REPORTED_DIFFERS
from tollbook.ledger import finding
from tollbook.ports.finding import EntryFilter, EntryPage, RunFilter, Seen
from tollbook.ports.reading import EntryRow
from tollbook.pricing.quote import QuoteFlag

LAST_ID = str(UUID(int=(1 << 128) - 1))


@pytest.fixture
def booked(world: World) -> World:
    """Twelve calls each of two tenants over three days."""
    now = world.clock.now()
    world.book(
        *(
            event(
                tenant, agent=agent, model=model, ts=now - timedelta(days=age), input=10 + age, id=f"{tenant}{number}"
            )
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


def walked(world: World, tenant: str | None, count: int, **wanted: object) -> list[EntryRow]:
    """Every entry that fits, page by page to the last."""
    found: list[EntryRow] = []
    cursor = None
    while True:
        page: EntryPage = world.run(world.finding.entries(tenant, cursor, count, EntryFilter(**wanted)))  # type: ignore[arg-type]
        found += page.rows
        if page.more is None:
            return found
        cursor = page.more


def test_entries_are_walked_once_each_newest_first(booked: World) -> None:
    for tenant, count in ((None, 24), ("globex", 12)):
        seen = walked(booked, tenant, 5)
        assert len({row.entry_id for row in seen}) == len(seen) == count
        assert [(row.ts, UUID(row.entry_id)) for row in seen] == sorted(
            ((row.ts, UUID(row.entry_id)) for row in seen), reverse=True
        )


def test_an_entry_keeps_what_was_sent(world: World) -> None:
    sent = event(id="x", run="r", tags={"team": "a"}, cost_usd="0.5", provider="p", service_tier="flex", call_id="c")
    world.book(sent)
    (row,) = walked(world, "acme", 2)
    assert (row.event_id, row.run, row.tags, row.provider, row.call_id) == ("x", "r", {"team": "a"}, "p", "c")
    assert (row.cost_nanos, row.reported_nanos, row.corrects) == (150_000, 500_000_000, None)
    assert row.flags == REPORTED_DIFFERS
    assert world.run(world.finding.entry("acme", row.entry_id, row.ts)) == row
    assert world.run(world.finding.entry("globex", row.entry_id, row.ts)) is None
    assert world.run(world.finding.entry(None, row.entry_id, row.ts + timedelta(seconds=1))) is None


FITTING: list[tuple[dict[str, object], int]] = [
    ({"model": "m-1"}, 6),
    ({"agent": "planner"}, 12),
    ({"agent": "planner/fetcher"}, 6),
    ({"agent": "planner#2"}, 6),
    ({"agent": "plan"}, 0),
    ({"source": "default"}, 12),
    ({"source": "other"}, 0),
    ({"provider": "openai"}, 0),
    ({"flags": QuoteFlag.UNPRICED.value}, 6),
    ({"corrects": True}, 0),
    ({"cost_nanos_min": 62 * 1_000}, 8),
    ({"run": "r"}, 0),
]


@pytest.mark.parametrize("looked", [10_000, 3])
def test_filters_find_all_that_fits_however_few_a_page_looks_at(
    booked: World, looked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_LOOKED", looked)
    monkeypatch.setattr(finding, "_LOOKED_SCATTERED", looked)
    for wanted, calls in FITTING:
        assert len(walked(booked, "acme", 2, **wanted)) == calls, wanted
        assert len(walked(booked, None, 2, **wanted)) == 2 * calls, wanted


def test_a_span_of_time_takes_its_begin_and_leaves_its_end(booked: World) -> None:
    times = sorted({row.ts for row in walked(booked, "acme", 100)})
    assert len(times) == 3
    found = walked(booked, "acme", 2, since=times[0], until=times[2])
    assert {row.ts for row in found} == set(times[:2])


@pytest.mark.parametrize("calls_max", [10_000, 1])
def test_a_run_is_found_on_each_of_its_days(world: World, calls_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "_RUN_CALLS_MAX", calls_max)
    now = world.clock.now()
    world.book(
        *(event("acme", run="r", ts=now - timedelta(days=age, hours=3), id=f"r{age}") for age in range(5)),
        event("acme", run="s", id="s"),
        event("globex", run="r", id="g"),
    )
    assert [row.event_id for row in walked(world, "acme", 2, run="r")] == ["r0", "r1", "r2", "r3", "r4"]
    assert len(walked(world, None, 2, run="r")) == 6
    assert walked(world, None, 2, run="r", source="default", model="m-1")[0].event_id == "g"


def test_runs_are_listed_once_each_by_their_begin(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = world.clock.now()
    for number in range(6):
        began = now - timedelta(hours=number)
        run, tenant, model = f"r{number}", ("acme", "globex")[number % 2], "m-2" if number == 3 else "m-1"
        # Both instances begin in the same instant: a page that ends between them must lose neither.
        world.book(
            event(tenant, run=run, agent="boss", ts=began, id=f"a{number}"),
            event(tenant, run=run, agent="boss/hand#1", ts=began, id=f"b{number}", model=model),
            event(tenant, run=run, agent="boss", ts=began + timedelta(minutes=5), id=f"c{number}"),
        )
    for looked in (2_000, 1):
        monkeypatch.setattr(finding, "_LOOKED_AT_RUNS", looked)
        rows, cursor = [], None
        while True:
            page = world.run(world.finding.runs(None, cursor, 2))
            rows += page.rows
            cursor = page.more
            if cursor is None:
                break
        assert [row.run for row in rows] == [f"r{number}" for number in range(6)]
        assert all((row.calls, row.agents) == (3, 2) for row in rows)
        assert all(row.last_ts - row.first_ts == timedelta(minutes=5) for row in rows)
    monkeypatch.undo()
    of_globex = world.run(world.finding.runs("globex", None, 10))
    assert [row.run for row in of_globex.rows] == ["r1", "r3", "r5"]
    assert [row.run for row in world.run(world.finding.runs(None, None, 10, RunFilter(model="m-2"))).rows] == ["r3"]
    assert len(world.run(world.finding.runs(None, None, 10, RunFilter(agent="boss/hand"))).rows) == 6
    dear = RunFilter(cost_nanos_min=1_000_000)
    assert [row.run for row in world.run(world.finding.runs(None, None, 10, dear)).rows] == ["r3"]


def test_a_follower_gets_what_commits_late_and_nothing_twice(world: World) -> None:
    """The clock of calls says nothing of the order of commits: a call of last week comes as what it is, the newest."""
    now = world.clock.now()
    world.book(event(id="before"))
    heads = world.run(world.finding.heads())
    seen = {partition: Seen(head, LAST_ID) for partition, head in heads.items()}
    world.book(*(event(f"t{number}", id=f"new-{number}") for number in range(20)))
    world.book(event("acme", id="late", ts=now - timedelta(days=7)))
    got: list[EntryRow] = []
    heads = world.run(world.finding.heads())
    while True:
        followed = world.run(world.finding.after(None, seen, heads, 3))
        seen = followed.seen
        if not followed.rows:
            break
        assert len(followed.rows) <= 3
        got += followed.rows
    assert sorted(row.event_id or "" for row in got) == sorted(["late", *(f"new-{number}" for number in range(20))])
    assert world.run(world.finding.after(None, seen, heads, 3)).seen == seen
    start = world.run(world.finding.after("acme", {}, heads, 100, EntryFilter(source="default")))
    assert {row.event_id for row in start.rows} == {"before", "late"}


NEWEST = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=0))
OLDEST = datetime(2026, 1, 1, tzinfo=UTC)
ANYTHING = (None, None, None, None, None, None, 0, False)
DAYS = [date(2026, 1, 1), date(2026, 1, 2)]


PLANS: list[tuple[str, tuple[object, ...], str]] = [
    ("entries_of_all", (*NEWEST, 10, 100, OLDEST, *ANYTHING), "ts_entry_id"),
    ("entries_of_tenant", (*NEWEST, 10, 100, OLDEST, *ANYTHING, "acme"), "tenant_ts_entry_id"),
    ("entries_flagged", (*NEWEST, 10, 100, OLDEST, *ANYTHING, None), "ts_entry_id"),
    ("entries_of_run", (*NEWEST, 10, OLDEST, *ANYTHING[:3], "r", *ANYTHING[4:], None, DAYS), "day_run"),
    ("entries_place_of_all", (*NEWEST, 100, OLDEST), "ts_entry_id"),
    ("entries_place_of_tenant", (*NEWEST, 100, OLDEST, "acme"), "tenant_ts_entry_id"),
    ("entries_place_flagged", (*NEWEST, 100, OLDEST), "ts_entry_id"),
    ("entries_after", (0, 5, UUID(int=0), 9, 10, *ANYTHING, None), "partition_version"),
    ("entry_at", (OLDEST, UUID(int=0), None), "ts_entry_id"),
    ("runs_of_all", (NEWEST[0], "", "", 10, 100, OLDEST, None, None, None, None), "run_started"),
    ("runs_of_tenant", (NEWEST[0], "", "", 10, 100, OLDEST, "acme", None, None, None), "run_started_of"),
    ("runs_place_of_all", (NEWEST[0], "", "", 100, OLDEST), "run_started"),
    ("runs_place_of_tenant", (NEWEST[0], "", "", 100, OLDEST, "acme"), "run_started_of"),
    ("changes_page", (1 << 62, 10, None, None), "admin_change_pkey"),
    ("refusals_of_run", ("acme", "r", 10), "refusal_pkey"),
    ("refusals_prune", (DAYS[0],), "refusal_day"),
    ("price_card", (7,), "price_pkey"),
]


def test_each_question_is_answered_by_its_index(world: World) -> None:
    for query, arguments, index in PLANS:
        plan = world.plan(query, *arguments)
        assert index in plan, f"{query}: {plan}"
        assert "Seq Scan" not in plan, f"{query}: {plan}"
