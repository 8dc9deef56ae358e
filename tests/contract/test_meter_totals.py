"""Meters in the ledger: counted in the transaction that books, and from what was booked before."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from tests.contract.ledger_case import LedgerCase, open_case, timed_id
from tests.core_world import event, until
from tollbook.domain.budget import EACH, Budget, BudgetBook
from tollbook.domain.errors import BudgetClash
from tollbook.domain.event import Event
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.domain.record import MeterTotal, Record
from tollbook.domain.tenancy import Tenancy
from tollbook.domain.window import ZoneCalendar, ZoneSpan, calendar_of
from tollbook.ports.config import BudgetChange

pytestmark = pytest.mark.anyio

ZONES = (
    "UTC",
    "Asia/Kolkata",
    "America/New_York",
    "Pacific/Chatham",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    "America/St_Johns",
)
MOVED = ZoneCalendar((ZoneSpan(datetime(1, 1, 1, tzinfo=UTC).date(), "Asia/Kolkata"),
                      ZoneSpan(datetime(2026, 3, 9, tzinfo=UTC).date(), "America/Los_Angeles")))  # fmt: skip
TENANCY = Tenancy(calendars={"moved": MOVED} | {zone.lower().replace("/", "-"): calendar_of(zone) for zone in ZONES})
TENANTS = ("moved", *(zone.lower().replace("/", "-") for zone in ZONES))

TURNS = {
    "new-york-spring": datetime(2026, 3, 8, 7, tzinfo=UTC),
    "new-york-autumn": datetime(2026, 11, 1, 6, tzinfo=UTC),
    "lord-howe-spring": datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    "lord-howe-autumn": datetime(2026, 4, 4, 15, tzinfo=UTC),
    "leap-day": datetime(2028, 2, 29, 12, tzinfo=UTC),
    "new-year": datetime(2027, 1, 1, tzinfo=UTC),
}
MATCHES = {ScopeKind.TAG: ("team=*", "team=blue", "a=b=c")}


@pytest.fixture
async def case(ledger_url: str, anyio_backend: str) -> AsyncIterator[LedgerCase]:
    async with open_case(ledger_url) as opened:
        yield opened


def budget(scope: ScopeKind, window: WindowKind, unit: Unit = Unit.USD, **changed: object) -> Budget:
    match = str(changed.pop("match", EACH))
    name = f"{scope}-{window}-{unit}-{len(match)}".replace("*", "each")
    return Budget(
        **{"id": name, "scope": scope, "window": window, "unit": unit, "limit": 10**12, "match": match} | changed
    )


def every_budget() -> list[Budget]:
    """A budget for each combination of scope, window and unit, everyone's, and some of a tenant for single values."""
    combined = itertools.product(ScopeKind, WindowKind, Unit)
    found = [
        budget(scope, window, unit, match=match)
        for scope, window, unit in combined
        for match in MATCHES.get(scope, (EACH,))
    ]
    own = (budget(ScopeKind.AGENT, WindowKind.HOUR, match="planner", tenant="utc", id="own"),)
    return [b for b in (*found, *own) if not b.is_daily]


async def put(case: LedgerCase, *budgets: Budget) -> frozenset[int]:
    made = await case.config.change_budgets([BudgetChange(b.tenant, b.id, b) for b in budgets], "test", case.now)
    await case.follow()
    return made.partitions


def random_events(random: Random, around: datetime, now: datetime, count: int) -> Iterable[Event]:
    agents = ("planner", "planner/researcher", "planner/researcher#7/fetch", "plan#1", "a|b/c d/é#x|y")
    for number in range(count):
        ts = around + timedelta(microseconds=round(random.gauss(0, 1) * 10 ** random.randrange(6, 12)))
        ts = min(max(ts, now - timedelta(days=34)), now + timedelta(minutes=5))
        tags = random.choice((None, {"team": "blue"}, {"team": "red", "x": "é"}, {"a=b": "c", "a": "b=c", "team": ""}))
        apart = random.choice((timedelta(0), timedelta(minutes=20), timedelta(days=36), timedelta(seconds=-59)))
        held = timed_id(ts - apart)
        yield event(
            random.choice(TENANTS),
            random.randrange(1, 10**6),
            id=f"e{number}",
            ts=ts,
            agent=random.choice(agents),
            model=random.choice(("m", "dear|1", "n/o")),
            run=random.choice((None, "r1", "r/2")),
            output=random.randrange(1000),
            tags=tags,
            hold=random.choice((None, None, held, f"{held}.{number + 1}")),
        )


def deltas(*records: Record) -> dict[tuple[str, str], int]:
    """What receivers add to pending: the other side of what the ledger counts."""
    added: Counter[tuple[str, str]] = Counter()
    for record in records:
        for touch in record.meters:
            added[touch.tenant, touch.meter] += touch.amount
    return dict(added)


async def kept(case: LedgerCase) -> dict[tuple[str, str], int]:
    rows = await case.rows("SELECT tenant, meter, total FROM meter_total")
    return {(row["tenant"], row["meter"]): row["total"] for row in rows}


@pytest.mark.parametrize("turn", TURNS)
async def test_the_ledger_names_and_counts_the_meters_that_the_receiver_does(case: LedgerCase, turn: str) -> None:
    """Over random calls around each turn of a clock: names, amounts, and windows that the ledger closes no earlier."""
    case.now = TURNS[turn] + timedelta(days=2)
    await case.ledger.make_room(case.now)
    case.under(TENANCY)
    await put(case, *every_budget())
    case.under(TENANCY, BudgetBook({None: [b for b in every_budget() if b.tenant is None], "utc": every_budget()[-1:]}))
    events = list(random_events(Random(turn), TURNS[turn], case.now, 250))
    records = case.records(*events)
    booked = await case.book_records(records)
    assert booked.new == 250
    answered = {(total.tenant, total.meter): total.total for total in booked.meters}
    assert answered == deltas(*records)
    assert await kept(case) == answered
    closes = {(touch.tenant, touch.meter): touch.until_ms for touch in records[0].meters}
    for total in booked.meters:
        exact, bound = closes[total.tenant, total.meter], total.until_ms
        assert (exact == 0) == (bound == 0)
        assert exact <= bound <= exact + 40 * 3_600_000, total
    assert {hold for _, hold in booked.holds} == {sent.hold for sent in events if sent.hold}


@pytest.mark.parametrize("turn", ["new-york-autumn", "leap-day"])
async def test_a_budget_that_comes_later_counts_what_was_booked_before(case: LedgerCase, turn: str) -> None:
    """From rollups, runs and entries: in windows still open the total is what counting from the start gives."""
    case.now = TURNS[turn] + timedelta(hours=6)
    await case.ledger.make_room(case.now)
    case.under(TENANCY)
    events = list(random_events(Random(turn), TURNS[turn], case.now, 250))
    await case.book(*events)
    assert await kept(case) == {}
    assert await put(case, *every_budget()) == {0}
    case.under(TENANCY, BudgetBook({None: [b for b in every_budget() if b.tenant is None], "utc": every_budget()[-1:]}))
    (record,) = case.records(*events)
    open_at = case.now.timestamp() * 1000
    added = deltas(record)
    still_open = {(t.tenant, t.meter) for t in record.meters if t.until_ms == 0 or t.until_ms > open_at}
    found = await kept(case)
    assert {key: found[key] for key in still_open} == {key: added[key] for key in still_open}
    # What closed a moment ago may be counted too: the ledger knows only a bound of when a week ends.
    assert {key: added[key] for key in found} == found
    later = list(random_events(Random("later"), TURNS[turn], case.now, 400))[250:]
    await case.book_records(case.records(*later))
    again = deltas(record, *case.records(*later))
    found = await kept(case)
    assert {key: found[key] for key in still_open} == {key: again[key] for key in still_open}


async def test_a_ledger_without_such_budgets_keeps_no_meters(case: LedgerCase) -> None:
    """The daily limit is not one of them: its total is the day's."""
    await case.config.set_limit("acme", 5, "test")
    await case.follow()
    (record,) = case.records(event(id="a", run="r"))
    assert record.meters == ()
    assert (await case.book_records([record])).meters == ()
    assert [row["meter_scopes"] for row in await case.rows("SELECT meter_scopes FROM partition")] == [[]] * 4


MONTH = budget(ScopeKind.AGENT, WindowKind.MONTH)


async def test_catching_up_and_rebuilding_carry_meters_and_holds(case: LedgerCase) -> None:
    """Changed after a version, named besides, or open: with their totals; runs are asked for one by one."""
    await put(case, MONTH, budget(ScopeKind.RUN, WindowKind.RUN, Unit.CALLS))
    held = f"{timed_id(case.now)}.4"
    await case.book(event(id="a", nanos=3, run="r", hold=held))
    await case.book(event(id="b", nanos=4, agent="other"))
    caught = await case.ledger.catch_up(0, 0, ())
    month = f"usd|month:{case.now:%Y-%m}|agent|planner"
    assert {(t.meter, t.total) for t in caught.meters} >= {(month, 3), ("calls|run:r|run|r", 1)}
    assert caught.holds == (("acme", held),)
    assert [t.total for t in (await case.ledger.catch_up(0, 1, ())).meters] == [4]
    named = await case.ledger.catch_up(0, 2, (), [("acme", month), ("acme", month), ("acme", "usd|day:x|agent|y")])
    assert [(t.meter, t.total) for t in named.meters] == [(month, 3)]
    pages = [page async for page in case.ledger.open_totals(0, case.now)]
    assert sorted(t.total for page in pages for t in page.meters) == [3, 4]
    totals = await case.ledger.meter_totals(0, "acme", ["calls|run:r|run|r", "calls|run:s|run|s"])
    assert (totals.version, totals.totals) == (2, {"calls|run:r|run|r": 1, "calls|run:s|run|s": 0})


async def test_a_budget_raises_the_versions_of_what_it_counts_anew(case: LedgerCase) -> None:
    """So that catch-up brings its meters, and counters behind that version are known to lack them."""
    await case.book(event(id="a", nanos=3))
    before = await case.ledger.standing(0)
    assert await put(case, MONTH) == {0}
    caught = await case.ledger.catch_up(0, before.version, ())
    assert [t.total for t in caught.meters] == [3]
    assert (await case.config.backfills())[0] == caught.version == before.version + 1
    assert await put(case, budget(ScopeKind.AGENT, WindowKind.MONTH, limit=7)) == frozenset()
    assert await put(case, budget(ScopeKind.AGENT, WindowKind.MONTH, tenant="nobody")) == frozenset()


async def test_a_meter_that_comes_back_is_counted_from_the_start(case: LedgerCase) -> None:
    """While no budget names a meter nothing is added to it; the budget that names it again sets it right."""
    await put(case, MONTH)
    await case.book(event(id="a", nanos=3))
    await case.config.change_budgets([BudgetChange(None, MONTH.id, None)], "test", case.now)
    assert (await case.book(event(id="b", nanos=4))).meters == ()
    await put(case, MONTH)
    assert list((await kept(case)).values()) == [7]
    assert [t.total for t in (await case.book(event(id="c", nanos=5))).meters] == [12]


async def test_a_transaction_that_waited_for_a_budget_counts_its_meters(case: LedgerCase) -> None:
    """No entry is missed or counted twice: a booking begun before the change commits behind it, with its meters."""
    await case.book(event(id="a", nanos=3))
    async with case.pool.acquire() as connection:
        started = connection.transaction()
        await started.start()
        await connection.fetch(case.queries["partitions_lock"], [0, 1, 2, 3])
        booking = asyncio.create_task(case.book(event(id="b", nanos=4)))
        changing = asyncio.create_task(put(case, MONTH))

        async def both_wait() -> bool:
            return len(await case.rows("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) >= 2

        await until(both_wait)
        await started.commit()
        await asyncio.gather(booking, changing)
    assert list((await kept(case)).values()) == [7]


async def test_two_budgets_of_one_owner_never_name_the_same_meter(case: LedgerCase) -> None:
    """The second is refused whole; a tenant's own beside everyone's is not, nor another id for the same."""
    await put(case, MONTH)
    twin = budget(ScopeKind.AGENT, WindowKind.MONTH, id="twin")
    with pytest.raises(BudgetClash):
        await put(case, twin)
    await put(case, budget(ScopeKind.AGENT, WindowKind.MONTH, tenant="acme"))
    changes = [BudgetChange(None, "twin", twin), BudgetChange(None, MONTH.id, None)]
    await case.config.change_budgets(changes, "test", case.now)
    assert [(row.budget.tenant, row.budget.id) for row in await case.config.budgets()] == [
        (None, "daily"),
        (None, "twin"),
        ("acme", MONTH.id),
    ]
    revisions = await case.config.budget_revisions(None, MONTH.id)
    assert [revision.budget for revision in revisions] == [None, MONTH]
    assert {revision.changed_by for revision in revisions} == {"test"}


async def test_a_budget_ends_by_itself(case: LedgerCase) -> None:
    """At its end it is removed, with its history kept."""
    await put(case, budget(ScopeKind.AGENT, WindowKind.DAY, expires_at=case.now + timedelta(minutes=1), id="share"))
    assert await case.config.end_budgets(case.now) == 0
    assert await case.config.end_budgets(case.now + timedelta(minutes=1)) == 1
    assert await case.config.budget(None, "share") is None
    assert [row.changed_by for row in await case.config.budget_revisions(None, "share")] == ["tollbook", "test"]


async def test_meters_long_closed_and_runs_long_still_are_forgotten(case: LedgerCase) -> None:
    """A window's total goes 72 hours after it closed, a run's 35 days after it was last touched."""
    await put(case, budget(ScopeKind.AGENT, WindowKind.HOUR), budget(ScopeKind.RUN, WindowKind.RUN))
    await case.book(event(id="a", run="r"))
    assert await case.ledger.prune_meters(0, case.now + timedelta(hours=72)) == 0
    assert await case.ledger.prune_meters(0, case.now + timedelta(hours=74)) == 1
    assert await case.ledger.prune_meters(0, case.now + timedelta(days=35)) == 0
    assert await case.ledger.prune_meters(0, case.now + timedelta(days=36)) == 1
    assert await kept(case) == {}


async def test_a_bisected_batch_answers_each_meter_once_and_newest(case: LedgerCase) -> None:
    """What is buried is in no meter."""
    await put(case, MONTH)
    poisoned = case.poison(event(nanos=100, id="p", run="nul"), b"nul", b"n\0l")
    batch = case.batch(case.records(event(nanos=1, id="a")), poisoned, case.records(event(nanos=2, id="b")))
    booked = await case.ledger.book_with_poison(0, batch, case.now)
    assert [total.total for total in booked.meters] == [3]
    assert _only(booked.meters).until_ms > case.now.timestamp() * 1000


def _only(totals: Sequence[MeterTotal]) -> MeterTotal:
    (total,) = totals
    return total


async def test_a_meter_is_updated_in_place(case: LedgerCase) -> None:
    """Updates change no index."""
    await put(case, MONTH)
    for number in range(20):
        await case.book(event(id=f"e{number}"))
    async with case.pool.acquire() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        row = await connection.fetchrow(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'meter_total'"
        )
    assert tuple(row) == (19, 19)
