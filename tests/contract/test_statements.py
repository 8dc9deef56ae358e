"""Statements on real servers: which entries are in one, what its lines say, and that a closed one never changes."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256

import pytest

from tests.contract.ledger_case import timed_id
from tests.contract.statement_case import UTC_DAYS, StatementCase, assert_once, open_statements, summed
from tests.contract.test_corrections import seen
from tests.core_world import event
from tollbook.domain.errors import StatementAltered
from tollbook.domain.event import Observer
from tollbook.domain.period import Period
from tollbook.ports.statements import Line

pytestmark = pytest.mark.anyio


@pytest.fixture
async def case(ledger_url: str, anyio_backend: str) -> AsyncIterator[StatementCase]:
    async with open_statements(ledger_url) as opened:
        yield opened


def only(lines: list[Line], **facts: object) -> Line:
    """The one line that has these members."""
    (found,) = (line for line in lines if all(getattr(line, name) == value for name, value in facts.items()))
    return found


async def test_lines_are_by_agent_model_and_rate_card(case: StatementCase) -> None:
    """Instances of a role are one agent, another card or model another line; other counts are summed by unit."""
    await case.book(
        event(nanos=10, agent="a#1/b#2", cache_read=4, cache_write_5m=2, cache_write_1h=1, units={"web_searches": 2}),
        event(nanos=20, agent="a#3/b", units={"web_searches": 1, "web_fetches": 5}, id="x"),
        event(nanos=5, agent="a/b", model="n", provider="p"),
        event("globex", 7),
    )
    await case.execute("UPDATE entry SET price_id = 9, flags = 6 WHERE event_id = 'x'")
    await case.execute("UPDATE entry SET price_id = NULL, flags = 1 WHERE model = 'n'")
    found = list((await case.lines(case.this)).lines)
    assert {(line.agent, line.model, line.price_id) for line in found} == {
        ("a/b", "m", 1),
        ("a/b", "m", 9),
        ("a/b", "n", None),
    }
    first = only(found, price_id=1)
    assert (first.entries, first.calls, first.cost_nanos, first.input, first.units) == (
        1,
        1,
        10,
        10,
        {"web_searches": 2},
    )
    assert (first.cache_read, first.cache_write_5m, first.cache_write_1h, first.unpriced_nanos) == (4, 2, 1, 0)
    other = only(found, price_id=9)
    assert (other.units, other.units_unpriced, other.context_unknown) == ({"web_fetches": 5, "web_searches": 1}, 1, 1)
    unpriced = only(found, price_id=None)
    assert (unpriced.provider, unpriced.cost_nanos, unpriced.unpriced_nanos) == ("p", 5, 5)
    assert await case.lines(case.last) == ([], None, None, None, None, None)


async def test_estimated_amounts_are_told_apart(case: StatementCase) -> None:
    await case.book(seen(Observer.SDK, 5, estimated=True), event(nanos=3))
    (line,) = (await case.lines(case.this)).lines
    assert (line.cost_nanos, line.estimated_nanos) == (8, 5)


async def test_what_comes_behind_a_close_corrects_the_closed_month_in_the_next(case: StatementCase) -> None:
    """A late call, and a better observation of one that was billed; both are lines of the open month."""
    await case.book(seen(Observer.LEAF, 100, ts=case.late), event(nanos=7, ts=case.late), event(nanos=1))
    await case.close(case.last)
    await case.seal("acme", case.last)
    billed = await case.lines(case.last)
    assert summed(billed.lines) == {case.last.text: (2, 2, 107, 107, 0)}
    await case.book(seen(Observer.SDK, 90, ts=case.late), event(nanos=3, ts=case.late), event(nanos=2))
    assert await case.lines(case.last) == billed
    now = list((await case.lines(case.this)).lines)
    assert only(now, period=case.this.text).cost_nanos == 3
    late = only(now, period=case.last.text, corrects=False)
    assert (late.entries, late.calls, late.cost_nanos) == (1, 1, 3)
    fixed = only(now, period=case.last.text, corrects=True)
    assert (fixed.entries, fixed.calls, fixed.cost_nanos, fixed.input) == (2, 0, -10, -10)
    days = await case.rows("SELECT day, cost_nanos FROM daily_spend ORDER BY day")
    assert [tuple(row) for row in days] == [(case.last.last_day, 100), (case.now.date(), 3)]
    await assert_once(case)


async def test_a_month_that_is_skipped_is_closed_with_the_later_one(case: StatementCase) -> None:
    """There is one place for each entry, whichever months were closed; closing again changes nothing."""
    await case.book(event(nanos=7, ts=case.late), event(nanos=1))
    close = await case.close(case.this)
    assert await case.statements.close(None, case.last, "another", case.now) == (close, False)
    assert await case.statements.close("acme", case.this, "another", case.now) == (close, False)
    await case.book(event(nanos=5, ts=case.late), event(nanos=2), event("late-comer", 4, ts=case.late))
    assert summed((await case.lines(case.last)).lines) == {case.last.text: (1, 1, 7, 7, 0)}
    assert summed((await case.lines(case.this)).lines) == {case.this.text: (1, 1, 1, 1, 0)}
    coming = {case.last.text: (1, 1, 5, 5, 0), case.this.text: (1, 1, 2, 2, 0)}
    assert summed((await case.lines(case.this.next)).lines) == coming
    assert summed((await case.lines(case.last, "late-comer")).lines) == {}
    await assert_once(case)


async def test_a_tenants_own_close_stands_before_everyones(case: StatementCase) -> None:
    await case.book(event(nanos=7, ts=case.late), event("globex", 7, ts=case.late))
    await case.close(case.last, "acme")
    await case.book(event(nanos=5, ts=case.late), event("globex", 5, ts=case.late))
    await case.close(case.last)
    assert [one.close.tenant for one in await case.statements.closes("acme")] == [None, "acme"]
    assert [one.close.tenant for one in await case.statements.closes("globex")] == [None]
    assert summed((await case.lines(case.last)).lines)[case.last.text].cost_nanos == 7
    assert summed((await case.lines(case.last, "globex")).lines)[case.last.text].cost_nanos == 12
    await assert_once(case)


async def test_a_held_call_is_billed_with_its_holds_day(case: StatementCase) -> None:
    """It was made this month and held last month; its time lies outside of the month that it is billed in."""
    hold = timed_id(case.late - timedelta(minutes=1))
    await case.book(
        event(nanos=9, ts=case.late + timedelta(hours=30), hold=hold),
        event(nanos=2, ts=case.late + timedelta(hours=29)),
        event(nanos=3, ts=case.late),
    )
    assert summed((await case.lines(case.last)).lines) == {case.last.text: (2, 2, 12, 12, 0)}
    assert summed((await case.lines(case.this)).lines) == {case.this.text: (1, 1, 2, 2, 0)}
    await assert_once(case)


async def test_closing_neither_waits_for_a_transaction_nor_splits_it(case: StatementCase) -> None:
    """One that began before the close and commits behind it is behind it; closing did not wait for its lock."""
    await case.book(event(nanos=1, ts=case.late))
    async with case.pool.acquire() as drain:
        transaction = drain.transaction()
        await transaction.start()
        await drain.fetchrow(case.queries["partition_lock"], 0)
        async with asyncio.timeout(20):
            close = await case.close(case.last)
        await transaction.rollback()
    assert close.versions[0] == (await case.ledger.standing(0)).version
    assert await case.book_on(0, event(nanos=2, ts=case.late)) == close.versions[0] + 1
    assert summed((await case.lines(case.last)).lines)[case.last.text].cost_nanos == 1
    await assert_once(case)


async def test_a_partition_that_came_later_is_behind_every_close(case: StatementCase) -> None:
    await case.execute("DELETE FROM partition WHERE partition = 3")
    await case.close(case.last)
    await case.execute("INSERT INTO partition (partition) VALUES (3)")
    await case.book_on(3, event(nanos=4, ts=case.late))
    assert summed((await case.lines(case.this)).lines) == {case.last.text: (1, 1, 4, 4, 0)}


async def test_a_tenant_that_moves_to_another_partition_keeps_its_statements(case: StatementCase) -> None:
    """Versions of two partitions are never compared: a closed month is touched there and here."""
    for _ in range(5):
        await case.book_on(0, event(nanos=1, ts=case.late))
    await case.close(case.last)
    await case.book_on(0, event(nanos=2, ts=case.late))
    await case.book_on(1, event(nanos=4, ts=case.late), event(nanos=8))
    await case.seal("acme", case.last)
    assert summed((await case.lines(case.last)).lines)[case.last.text].cost_nanos == 5
    assert summed((await case.lines(case.this)).lines)[case.last.text].cost_nanos == 6
    await assert_once(case)


async def test_a_fleet_goes_on_while_months_are_closed(case: StatementCase) -> None:
    """Two tenants on four partitions send late and punctual calls and better observations while closes come and go."""
    dice = random.Random(20_261_128)
    stop = asyncio.Event()
    tenants = ("acme", "globex")

    async def sends(partition: int) -> int:
        sent = 0
        while not stop.is_set() or sent < 12:
            ts = dice.choice((case.late, case.now, case.late - timedelta(hours=dice.randrange(48))))
            tenant, call = dice.choice(tenants), f"msg_{partition}AbCdEfGh{sent // 2:08d}xYz"
            by = dice.choice((Observer.LEAF, Observer.SDK, Observer.GATEWAY))
            await case.book_on(
                partition,
                seen(
                    by,
                    dice.randrange(1, 99),
                    call,
                    tenant=f"{tenant}-{partition}",
                    ts=ts,
                    agent=dice.choice(("a", "b")),
                ),
                event(tenant, dice.randrange(1, 99), ts=ts, id=f"{partition}-{sent}"),
            )
            sent += 1
        return sent

    async def closes() -> None:
        for period, tenant in ((case.before_last, None), (case.last, "acme"), (case.last, None), (case.this, "globex")):
            await case.book_on(0, event("globex", 5, ts=case.late))
            await case.close(period, tenant)
            await case.seal("acme", case.before_last)
        stop.set()

    sent = await asyncio.gather(*map(sends, (0, 1)), closes())
    assert min(sent[:2]) >= 12
    for tenant in tenants:
        await case.seal(tenant, case.last)
    await case.seal("globex", case.this)
    await assert_once(case)


async def test_two_closes_at_once_are_one(case: StatementCase) -> None:
    await case.book(event(nanos=1, ts=case.late))
    made = await asyncio.gather(*(case.statements.close(None, case.last, f"c{n}", case.now) for n in range(3)))
    assert sorted(is_new for _, is_new in made) == [False, False, True]
    assert len({close for close, _ in made}) == 1


async def test_a_kept_statement_has_its_digest_and_is_kept_once(case: StatementCase) -> None:
    await case.book(event(nanos=1, ts=case.late))
    assert not await case.statements.seal("acme", case.last, case.last.bounds(UTC_DAYS))
    await case.close(case.last)
    before = await case.lines(case.last)
    await case.seal("acme", case.last)
    await case.seal("acme", case.last)
    after = await case.lines(case.last)
    assert after._replace(sealed=None) == before
    (row,) = await case.rows("SELECT lines, digest, cost_nanos, entries, calls FROM closed_statement")
    assert sha256(row["lines"]).digest() == row["digest"] == after.sealed[1]
    assert tuple(row)[2:] == (1, 1, 1)
    (listed,) = await case.statements.closes(None)
    assert (listed.statements, listed.cost_nanos) == (1, 1)


async def test_a_kept_statement_that_was_changed_is_refused_and_found(case: StatementCase) -> None:
    await case.book(event(nanos=1, ts=case.late))
    await case.close(case.last)
    await case.seal("acme", case.last)
    await case.execute(
        "UPDATE closed_statement SET lines = convert_to(replace(convert_from(lines, 'UTF8'), ':1,', ':2,'), 'UTF8')"
    )
    with pytest.raises(StatementAltered, match=f"acme for {case.last.text}"):
        await case.lines(case.last)
    assert (await case.equation()).differing == 1


async def test_verify_finds_entries_that_a_closed_statement_lacks_or_has_too_many(case: StatementCase) -> None:
    await case.book(event(nanos=6, ts=case.late, id="a"), event(nanos=7, ts=case.late, id="b"), event("globex", 4))
    await case.close(case.last)
    await case.seal("acme", case.last)
    await case.execute("DELETE FROM entry WHERE event_id = 'b'")
    lacking = await case.equation()
    assert (lacking.left, lacking.right, lacking.differing) == (6, 13, 1)
    assert lacking.samples == (f"acme {case.last.text}: entries 6 nanos, kept 13 nanos",)


async def test_verify_finds_days_that_do_not_say_that_they_were_touched(case: StatementCase) -> None:
    """As a drain of an older version would leave them: the next statement would miss what it booked."""
    await case.book(event(nanos=6, ts=case.late))
    await case.close(case.last)
    await case.book(event(nanos=7, ts=case.late))
    assert (await case.equation()).differing == 0
    await case.execute("UPDATE daily_spend SET version = 0")
    assert summed((await case.lines(case.this)).lines) == {}
    equation = await case.equation()
    assert equation.differing == 1
    assert "daily_spend.version" in equation.samples[0]


async def test_unsealed_tenants_are_found_in_pages(case: StatementCase) -> None:
    """Those with a day in the month, and those with nothing but a correction of an earlier one."""
    await case.book(*(event(f"t{n}", 1, ts=case.late) for n in range(3)))
    await case.close(case.last)
    await case.book(event("t1", 1, ts=case.late), event("t9", 1))
    closed = await case.close(case.this)
    assert await case.statements.unsealed(closed, case.last, "", 2) == ["t0", "t1"]
    assert await case.statements.unsealed(closed, case.last, "t1", 2) == ["t2"]
    assert await case.statements.unsealed(closed, case.this, "", 9) == ["t1", "t9"]
    await case.seal("t1", case.this)
    assert await case.statements.unsealed(closed, case.this, "", 9) == ["t9"]


async def test_lines_are_read_by_indexes(case: StatementCase) -> None:
    """A statement reads the tenant's days that it is about, not what others have, nor what the tenant ever had."""
    await case.book(event(nanos=1), *(event(f"t{n % 200}", 1) for n in range(2_000)))
    await case.execute("ANALYZE entry, daily_spend, rollup_hour")
    async with case.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(
            f"EXPLAIN {case.queries['statement_lines']}", "acme", case.this.first_day, case.this.last_day, [1], None
        )
    text = "\n".join(row[0] for row in plan)
    assert "Seq Scan on entry" not in text
    for index in ("daily_spend_pkey", "rollup_hour_pkey", f"entry_{case.this.first_day:%Y_%m}_tenant_ts_entry_id_idx"):
        assert index in text


def test_a_period_is_a_month_and_nothing_else() -> None:
    for text in ("2026-13", "2026-00", "2026-1", "26-01", "2026-01-01", "", "२०२६-०१", "9999-12"):
        with pytest.raises(ValueError, match="not a period"):
            Period.of(text)
    assert Period.of("2024-02").last_day.day == 29
