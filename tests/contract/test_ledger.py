"""The ledger port on real servers: each identity once, whatever the batches; totals under versions."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.contract.ledger_case import LedgerCase, open_case, timed_id, ulid
from tests.core_world import event
from tollbook.domain.errors import LedgerRefused, LedgerUnavailable
from tollbook.domain.money import cents_of
from tollbook.domain.record import Touch
from tollbook.ledger.booking import IDENTITY_KEPT, week_of
from tollbook.pipeline.resolve import DEFAULT_SOURCE
from tollbook.ports.ledger import Standing

pytestmark = pytest.mark.anyio
WEEK = timedelta(days=7)


@pytest.fixture
async def case(ledger_url: str, anyio_backend: str) -> AsyncIterator[LedgerCase]:
    async with open_case(ledger_url) as opened:
        yield opened


async def test_a_batch_is_booked_and_raises_the_version(case: LedgerCase) -> None:
    """Entries, totals and version come from one transaction; the answer holds the totals it changed."""
    booked = await case.book(event(nanos=5, id="a"), event(nanos=7, id="b"), event("other", 11, id="c"))
    assert (booked.version, booked.new, booked.duplicates, booked.conflicts, booked.dead) == (1, 3, 0, 0, 0)
    window = case.window()
    assert booked.totals == (Touch("acme", window, 12), Touch("other", window, 11))
    assert await case.ledger.standing(0) == Standing(booked.ledger_epoch, 1)
    booked = await case.book(event(nanos=8, id="d"))
    assert (booked.version, booked.totals) == (2, (Touch("acme", window, 20),))
    assert await case.entries() == ["a", "b", "c", "d"]


async def test_what_an_event_says_is_what_the_entry_keeps(case: LedgerCase) -> None:
    """Every column of an entry is the event's own, unset ones null; the rollups count the same."""
    ts = case.now - timedelta(hours=1)
    await case.book(
        event(nanos=5, id="a", agent="planner/researcher#7", run="r1", tags={"team": "búsqueda"}, ts=ts, call_id="c"),
        event(nanos=6, id="b", output=4, cost_usd="0.5", service_tier="batch", provider="p", source="s"),
    )
    a, b = await case.rows(
        "SELECT ts, cost_nanos, agent, run, tags::text, call_id, provider, source, reported_nanos, output,"
        " service_tier, price_id, tenant, model, corrects FROM entry ORDER BY event_id"
    )
    assert tuple(a) == (
        ts, 5, "planner/researcher#7", "r1", '{"team": "búsqueda"}', "c", None, DEFAULT_SOURCE, None, 0, None, 1,
        "acme", "m", None,
    )  # fmt: skip
    assert tuple(b)[1:] == (
        10, "planner", None, None, None, "p", "s", 500_000_000, 4, "batch", 1, "acme", "m", None,
    )  # fmt: skip
    assert [tuple(row) for row in await case.rows("SELECT agent, calls, cost_nanos FROM rollup_hour ORDER BY 1")] == [
        ("planner", 1, 10),
        ("planner/researcher", 1, 5),
    ]
    assert [tuple(row) for row in await case.rows("SELECT run, agent, calls, cost_nanos FROM run_total")] == [
        ("r1", "planner/researcher#7", 1, 5)
    ]


IDS = {"untimed": "order-17", "uuid7": timed_id(datetime.now(UTC)), "ulid": ulid(datetime.now(UTC))}


@pytest.mark.parametrize("event_id", IDS.values(), ids=IDS)
async def test_a_repeat_is_counted_once(case: LedgerCase, event_id: str) -> None:
    """Within a batch, in the next batch and in a batch of its own, an identity is one entry."""
    again = event(nanos=5, id=event_id)
    first = await case.book(again, again, event(nanos=1, id="x"))
    assert (first.new, first.duplicates, first.totals[0].nanos) == (2, 1, 6)
    second = await case.book(again, event(nanos=2, id="y"))
    assert (second.new, second.duplicates, second.totals[0].nanos) == (1, 1, 8)
    third = await case.book(again)
    assert (third.version, third.new, third.duplicates, third.totals) == (3, 0, 1, ())
    assert len(await case.entries()) == 3


@pytest.mark.parametrize("event_id", IDS.values(), ids=IDS)
async def test_a_repeat_weeks_later_is_counted_once(case: LedgerCase, event_id: str) -> None:
    """The identity stands in the generation of its first booking; a repeat is found there for the whole window."""
    await case.book(event(nanos=5, id=event_id))
    for weeks in (1, 2, 5):
        case.now = case.started + weeks * WEEK
        await case.ledger.make_room(case.now)
        assert (await case.book(event(nanos=5, id=event_id, ts=case.started))).duplicates == 1
    assert len(await case.entries()) == 1


async def test_an_id_that_turns_untimed_between_two_receipts_is_counted_once(case: LedgerCase) -> None:
    """A timed id a week old names its generation for one receiver and none for the next: in one batch, and in order."""
    event_id = timed_id(case.now - WEEK + timedelta(seconds=1))
    early = case.records(event(nanos=5, id=event_id, ts=case.now))
    case.now += timedelta(seconds=2)
    late = case.records(event(nanos=5, id=event_id, ts=case.started))
    booked = await case.book_records(early, late)
    assert (booked.new, booked.duplicates) == (1, 1)
    assert (await case.book_records(late)).duplicates == 1
    assert (await case.book_records(early)).duplicates == 1


async def test_an_id_that_turned_untimed_is_found_by_the_record_that_came_first(case: LedgerCase) -> None:
    """The later receipt may be booked first, through the inbox: the earlier one is its repeat all the same."""
    event_id = timed_id(case.now - WEEK + timedelta(seconds=1))
    early = case.records(event(nanos=5, id=event_id, ts=case.now))
    case.now += timedelta(seconds=2)
    late = case.records(event(nanos=5, id=event_id, ts=case.started))
    assert (await case.book_records(late)).new == 1
    booked = await case.book_records(early)
    assert (booked.new, booked.duplicates) == (0, 1)


async def test_a_tenants_or_sources_same_id_is_another_event(case: LedgerCase) -> None:
    """Identity is (tenant, source, id)."""
    booked = await case.book(event(id="a"), event("other", id="a"), event(id="a", source="s"))
    assert (booked.new, booked.duplicates) == (3, 0)


@pytest.mark.parametrize("event_id", IDS.values(), ids=IDS)
async def test_another_content_under_a_known_identity_is_a_conflict(case: LedgerCase, event_id: str) -> None:
    """The first content stands; the second is kept among the dead letters, and its neighbours are booked."""
    await case.book(event(nanos=5, id=event_id))
    booked = await case.book(event(nanos=6, id=event_id), event(nanos=1, id="x"))
    assert (booked.new, booked.duplicates, booked.conflicts) == (1, 1, 1)
    assert booked.totals[0].nanos == 6
    (letter,) = await case.rows("SELECT code, partition, version, row_bytes FROM dead_letter")
    assert (letter["code"], letter["partition"], letter["version"]) == ("conflict", 0, 2)
    assert letter["row_bytes"] == case.records(event(nanos=6, id=event_id, ts=case.now))[0].rows


async def test_another_content_within_one_batch_is_a_conflict_too(case: LedgerCase) -> None:
    """Two contents of one identity in the same batch: one is booked, the other is kept as a conflict."""
    booked = await case.book(event(nanos=5, id="a"), event(nanos=6, id="a"))
    assert (booked.new, booked.duplicates, booked.conflicts) == (1, 1, 1)
    assert booked.totals[0].nanos == 5
    assert [tuple(row) for row in await case.rows("SELECT code FROM dead_letter")] == [("conflict",)]


async def test_poison_is_refused_and_then_bisected(case: LedgerCase) -> None:
    """A row that Postgres cannot take costs nobody else: the rest is booked in the transaction that buries it."""
    rows = [case.records(event(nanos=number + 1, id=f"e{number}")) for number in range(9)]
    poisoned = case.poison(event(nanos=100, id="poison", run="nul"), b"nul", b"n\0l")
    batch = case.batch(*rows[:5], poisoned, *rows[5:])
    with pytest.raises(LedgerRefused):
        await case.ledger.book(0, batch, case.now)
    assert (await case.ledger.standing(0)).version == 0
    booked = await case.ledger.book_with_poison(0, batch, case.now)
    assert (booked.version, booked.new, booked.duplicates, booked.dead) == (1, 9, 0, 1)
    assert booked.totals == (Touch("acme", case.window(), 45),)
    (letter,) = await case.rows("SELECT code, version, row_bytes FROM dead_letter")
    assert tuple(letter) == ("poison", 1, poisoned[0].rows)
    again = await case.ledger.book_with_poison(0, batch, case.now)
    assert (again.new, again.duplicates, again.dead) == (0, 9, 1)


async def test_a_total_that_would_overflow_is_poison(case: LedgerCase) -> None:
    """A sum past 8 bytes refuses the row that makes it, and only that."""
    full = 2**63 - 10**15
    await case.book(event(nanos=1, id="a"))
    await case.execute("UPDATE daily_spend SET cost_nanos = $1", full)
    batch = case.batch(case.records(event(nanos=1_000_000, id="b", model="dear"), event(nanos=2, id="c")))
    with pytest.raises(LedgerRefused):
        await case.ledger.book(0, batch, case.now)
    booked = await case.ledger.book_with_poison(0, batch, case.now)
    assert (booked.new, booked.dead) == (1, 1)
    assert booked.totals[0].nanos == full + 2
    assert await case.entries() == ["a", "c"]


async def test_a_poisoned_batch_answers_each_total_once_and_newest(case: LedgerCase) -> None:
    """Parts of a bisected batch touch the same day again and again: the last total is the one to settle."""
    poisoned = case.poison(event(nanos=100, id="p", run="nul"), b"nul", b"n\0l")
    batch = case.batch(case.records(event(nanos=1, id="a")), poisoned, case.records(event(nanos=2, id="b")))
    booked = await case.ledger.book_with_poison(0, batch, case.now)
    assert booked.totals == (Touch("acme", case.window(), 3),)
    assert (await case.ledger.catch_up(0, 0, ())).totals == booked.totals


async def test_the_inbox_is_taken_in_the_transaction_that_books_it(case: LedgerCase) -> None:
    """Records come back in order with their nonces; a refused batch leaves them, a booked one takes them."""
    records = [case.records(event(nanos=1, id=f"e{n}"))[0] for n in range(3)]
    for record in records:
        await case.ledger.inbox_append(record)
    found = await case.ledger.inbox_peek(0, 2)
    assert [(r.nonce, r.events, r.rows) for r in found] == [(r.nonce, 1, r.rows) for r in records[:2]]
    assert await case.ledger.inbox_peek(1, 2) == []
    poisoned = case.poison(event(id="p", run="nul"), b"nul", b"n\0l")
    with pytest.raises(LedgerRefused):
        await case.ledger.book(0, case.batch(poisoned, inbox=found), case.now)
    assert len(await case.ledger.inbox_peek(0, 9)) == 3
    booked = await case.ledger.book(0, case.batch(inbox=found), case.now)
    assert booked.new == 2
    assert [r.nonce for r in await case.ledger.inbox_peek(0, 9)] == [records[2].nonce]


async def test_catching_up_answers_what_changed_after_a_version(case: LedgerCase) -> None:
    """Totals changed since, as of now, and those of the days asked for; with the version they are true for."""
    for number, tenant in enumerate(("a", "b", "a")):
        await case.book(event(tenant, 5, id=f"e{number}"))
    a, b = Touch("a", case.window(), 10), Touch("b", case.window(), 5)
    assert (await case.ledger.catch_up(0, 0, ())).totals == (a, b)
    caught = await case.ledger.catch_up(0, 2, ())
    assert (caught.version, caught.totals, caught.gap) == (3, (a,), False)
    assert (await case.ledger.catch_up(0, 3, ())).totals == ()
    asked = [("b", case.window().day), ("b", case.window().day), ("nobody", case.window().day), ("b", date(2020, 1, 1))]
    assert (await case.ledger.catch_up(0, 3, asked)).totals == (b,)
    assert (await case.ledger.catch_up(0, 9, ())).version == 3


async def test_what_was_pruned_is_a_gap(case: LedgerCase) -> None:
    """Changes that are forgotten are said to be: only a rebuild reads everything."""
    for number in range(4):
        await case.book(event(nanos=1, id=f"e{number}"))
    later = datetime.now(UTC) + timedelta(hours=1)
    await case.ledger.prune(0, 3, later - timedelta(hours=3))
    assert not (await case.ledger.catch_up(0, 0, ())).gap
    await case.ledger.prune(0, 3, later)
    assert [(await case.ledger.catch_up(0, after, ())).gap for after in range(5)] == [True, True, False, False, False]
    await case.ledger.prune(0, 5, later)
    assert [(await case.ledger.catch_up(0, after, ())).gap for after in range(5)] == [True] * 4 + [False]


async def test_open_totals_page_through_what_is_still_open(case: LedgerCase) -> None:
    """Every total that closes after the instant comes exactly once, in pages; an empty ledger gives one page."""
    pages = [page async for page in case.ledger.open_totals(0, case.now)]
    assert [(page.version, page.totals) for page in pages] == [(0, ())]
    await case.book(*(event(f"t{number:04}", number + 1, id="e") for number in range(1_201)))
    await case.book(event("old", 5, id="e", ts=case.now - timedelta(days=5)))
    pages = [page async for page in case.ledger.open_totals(0, case.now)]
    totals = [touch for page in pages for touch in page.totals]
    assert [touch.nanos for touch in totals] == list(range(1, 1_202))
    assert len(pages) == 3
    assert {page.version for page in pages} == {2}
    pages = [page async for page in case.ledger.open_totals(0, case.now - timedelta(days=6))]
    assert sum(len(page.totals) for page in pages) == 1_202
    assert [page.totals async for page in case.ledger.open_totals(1, case.now)] == [()]


async def test_nonces_tell_what_was_committed_since(case: LedgerCase) -> None:
    """Each partition's newer transactions with the nonces of all their records, inbox ones too."""
    seen = await case.ledger.versions()
    assert seen == dict.fromkeys(range(4), 0)
    records = case.records(event(id="a"))
    await case.book_records(records)
    kept = case.records(event(id="b"))[0]
    await case.ledger.inbox_append(kept)
    await case.ledger.book(0, case.batch(inbox=await case.ledger.inbox_peek(0, 9)), case.now)
    nonces = [(0, 1, [records[0].nonce]), (0, 2, [kept.nonce])]
    assert await case.ledger.nonces_since(seen) == nonces
    assert await case.ledger.nonces_since(await case.ledger.versions()) == []
    assert await case.ledger.nonces_since({0: 1, 1: 0}) == nonces[1:]


async def test_making_room_twice_is_making_it_once(case: LedgerCase) -> None:
    """Partitions for the time around an instant exist afterwards; a second call changes nothing."""
    await case.ledger.make_room(case.now)
    before = await case.tables()
    await case.ledger.make_room(case.now)
    assert await case.tables() == before
    assert f"identity_{week_of(case.now)}" in before
    assert f"entry_{case.now:%Y_%m}" in before


async def test_expired_identity_generations_are_dropped_whole(case: LedgerCase) -> None:
    """A generation goes once no repeat within the dedupe window can need it, and not a week earlier."""
    await case.book(event(id="a"))
    generation = f"identity_{week_of(case.now)}"
    await case.ledger.make_room(case.now + IDENTITY_KEPT)
    assert generation in await case.tables()
    await case.ledger.make_room(case.now + IDENTITY_KEPT + WEEK)
    assert generation not in await case.tables()
    case.now += IDENTITY_KEPT + WEEK
    assert (await case.book(event(id="b"))).new == 1


async def test_an_untimed_identity_is_kept_for_at_least_35_days(case: LedgerCase) -> None:
    """The dedupe window holds for an id first seen in the last second of its week."""
    case.now = datetime.fromtimestamp((week_of(case.now) + 1) * 7 * 86_400 - 1, UTC)
    await case.book(event(id="a"))
    case.now += timedelta(days=35)
    await case.ledger.make_room(case.now)
    assert (await case.book(event(id="a", ts=case.now - timedelta(days=35)))).duplicates == 1


@pytest.mark.parametrize(
    "nanos",
    [0, 1, 4_999_999, 5_000_000, 14_999_999, 15_000_000, 2**53 + 1, -1, -5_000_000, -5_000_001, -16_000_000],
    ids=str,
)
async def test_cents_round_half_up_and_follow_the_exact_sum(case: LedgerCase, nanos: int) -> None:
    """`daily_spend.cents` is the rounding of the domain, made by the database itself."""
    await case.book(event(nanos=0, id="a"))
    await case.execute("UPDATE daily_spend SET cost_nanos = $1", nanos)
    assert [row["cents"] for row in await case.rows("SELECT cents FROM daily_spend")] == [cents_of(nanos)]


async def test_a_day_near_the_end_of_int64_has_cents_too(case: LedgerCase) -> None:
    """Rounding up must not overflow where the sum itself does not."""
    await case.book(event(nanos=0, id="a"))
    await case.execute("UPDATE daily_spend SET cost_nanos = $1", 2**63 - 1)
    assert [row["cents"] for row in await case.rows("SELECT cents FROM daily_spend")] == [cents_of(2**63 - 1)]


async def test_commits_wait_for_the_disk_whatever_the_server_says(case: LedgerCase) -> None:
    """A server or role with synchronous_commit off is overruled on every connection."""
    (name,) = [row[0] for row in await case.rows("SELECT current_database()")]
    await case.execute(f'ALTER DATABASE "{name}" SET synchronous_commit TO off')
    await case.pool.expire_connections()
    async with open_case(case.url) as fresh:
        assert [row[0] for row in await fresh.rows("SHOW synchronous_commit")] == ["on"]
        assert (await fresh.book(event(id="a"))).new == 1
        assert [row[0] for row in await fresh.rows("SHOW synchronous_commit")] == ["on"]


async def test_a_ledger_that_is_away_is_said_to_be(case: LedgerCase) -> None:
    """Refused connections come out as `LedgerUnavailable`."""
    async with open_case("postgresql://nobody@127.0.0.1:1/none") as away:
        with pytest.raises(LedgerUnavailable):
            await away.ledger.standing(0)
        with pytest.raises(LedgerUnavailable):
            await away.ledger.inbox_append(case.records(event())[0])
