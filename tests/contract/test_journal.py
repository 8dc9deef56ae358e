"""The journal port on real servers: what waits, and the counters beside it."""

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from tests.contract.journal_case import EPOCH, HOUR, INT64_MAX, JournalCase, window
from tollbook.domain.errors import JournalUnavailable
from tollbook.domain.record import Touch
from tollbook.domain.window import DayWindow
from tollbook.journal.valkey import ValkeyJournal
from tollbook.ports.journal import DayView, Depth, PostCode, SettleCode, Settled, Settlement

pytestmark = pytest.mark.anyio


async def test_a_posted_record_is_read_back_as_it_was(case: JournalCase) -> None:
    """Nonce, count, rows and days of a record come back; places order the records."""
    first = case.record(Touch("acme", case.open, 5), Touch("büro", case.open, 7))
    second = case.record(Touch("acme", case.open, 1))
    posted = [await case.journal.post(record) for record in (first, second)]
    assert [answer.code for answer in posted] == [PostCode.POSTED_COLD, PostCode.POSTED_COLD]
    found = await case.records()
    assert [(r.place, r.nonce, r.events, r.rows) for r in found] == [
        (posted[0].place, first.nonce, 2, b"rows"),
        (posted[1].place, second.nonce, 1, b"rows"),
    ]
    assert found[0].touches == (("acme", case.open.day), ("büro", case.open.day))


async def test_reading_goes_on_behind_a_place_and_stops_at_a_bound(case: JournalCase) -> None:
    """`after` is exclusive, '' is the head, and no more than `records_max` come."""
    places = [(await case.post(nanos)).place for nanos in (1, 2, 3)]
    assert [r.place for r in await case.journal.read(0, "", 2)] == places[:2]
    assert [r.place for r in await case.journal.read(0, places[0], 10)] == places[1:]
    assert await case.journal.read(0, places[-1], 10) == []
    assert await case.journal.read(1, "", 10) == []


async def test_waiting_ends_with_a_record_or_with_the_time(case: JournalCase) -> None:
    """A record behind the place ends the wait at once; without one the time-out does."""
    assert not await case.journal.wait(0, "", 1)
    place = (await case.post(1)).place
    assert await case.journal.wait(0, "", 60_000)
    assert not await case.journal.wait(0, place, 1)


async def test_depth_counts_records_and_the_age_of_the_oldest(case: JournalCase) -> None:
    """An empty journal is 0 deep; else the head's age is by the store's own clock."""
    assert await case.journal.depth(0) == Depth(0, 0)
    place = (await case.post(1)).place
    await case.post(1)
    depth = await case.journal.depth(0)
    assert depth.records == 2
    assert 0 <= depth.oldest_ms <= await case.journal.now_ms(0) - int(place.partition("-")[0])


async def test_the_clock_is_the_stores_and_never_runs_back(case: JournalCase) -> None:
    """The clock follows the server's ids, so an instant once given is never undercut."""
    first = await case.journal.now_ms(0)
    await case.admin.xadd(case.keys.of(0, "clock"), {"x": "1"}, id=f"{first + 60_000}-0")
    assert await case.journal.now_ms(0) >= first + 60_000
    assert await case.store.xlen(case.keys.of(0, "clock")) == 1


async def test_pending_is_counted_cold_and_shown_warm(case: JournalCase) -> None:
    """While counters are incomplete a post counts but writes no flag and no spend key; a rebuild shows both."""
    await case.limit(10)
    assert (await case.post(10_000_000)).code is PostCode.POSTED_COLD
    assert await case.view() == DayView(False, 0, 10_000_000, 0, 10, False)
    assert await case.spend() is None
    await case.warm()
    await case.journal.evaluate(0, [("acme", case.open.day)])
    assert await case.view() == DayView(True, 0, 10_000_000, 0, 10, True)
    assert await case.spend() == b"1"
    posted = await case.post(0)
    assert (posted.code, posted.throttled) == (PostCode.POSTED, ("acme",))


async def test_settling_sets_totals_and_takes_pending_back(case: JournalCase) -> None:
    """A settled record leaves the journal and takes exactly its own deltas out of pending."""
    await case.warm()
    await case.journal.post(case.record(Touch("acme", case.open, 5), Touch("other", case.future, 7)))
    await case.post(11)
    first, _ = await case.records()
    answer = await case.settle((0, 1), Touch("acme", case.open, 105), Touch("other", case.future, 7), records=[first])
    assert answer == Settled(SettleCode.SETTLED, 1, 1)
    assert await case.view() == DayView(True, 105, 11, 0, None, False)
    assert await case.view("other", case.future) == DayView(True, 7, 0, 0, None, False)
    assert [record.place for record in await case.records()] != [first.place]


@pytest.mark.parametrize("nanos", [0, 1, 2**53 + 1, 10**18], ids=str)
async def test_a_record_settles_whatever_it_costs(case: JournalCase, nanos: int) -> None:
    """A free call is a delta of 0, and a delta beyond 2^53 is exact: both go back out of pending."""
    await case.warm()
    await case.post(nanos)
    assert (await case.view()).pending_nanos == nanos
    answer = await case.settle((0, 1), Touch("acme", case.open, nanos), records=await case.records())
    assert answer == Settled(SettleCode.SETTLED, 1, 1)
    assert await case.view() == DayView(True, nanos, 0, 0, None, False)


async def test_settling_twice_changes_nothing_more(case: JournalCase) -> None:
    """A settle that was carried out and not answered is sent again: pending does not go below 0."""
    await case.warm()
    await case.post(5)
    records = await case.records()
    total = Touch("acme", case.open, 5)
    assert (await case.settle((0, 1), total, records=records)).removed == 1
    assert await case.settle((0, 1), total, records=records) == Settled(SettleCode.SETTLED, 1, 0)
    assert await case.view() == DayView(True, 5, 0, 0, None, False)


async def test_a_settle_from_ahead_of_the_fence_is_told_the_fence(case: JournalCase) -> None:
    """Versions in between are missing: nothing is set, nothing is removed, and the answer says where to read from."""
    await case.warm(3)
    await case.post(5)
    before = await case.contents()
    answer = await case.settle((4, 5), Touch("acme", case.open, 5), records=await case.records())
    assert answer == Settled(SettleCode.BEHIND, 3, 0)
    assert await case.contents() == before


async def test_an_older_settle_sets_nothing(case: JournalCase) -> None:
    """A total that belongs below the fence never replaces the newer one, and the fence does not move back."""
    await case.warm()
    await case.settle((0, 2), Touch("acme", case.open, 20))
    assert await case.settle((0, 1), Touch("acme", case.open, 10)) == Settled(SettleCode.SETTLED, 2, 0)
    assert (await case.view()).settled_nanos == 20


async def test_a_settle_without_counters_or_of_another_ledger_does_nothing(case: JournalCase) -> None:
    """With the epoch key missing or another, a settle neither sets nor removes, and says which it was."""
    await case.post(5)
    records, total = await case.records(), Touch("acme", case.open, 5)
    before = await case.contents()
    assert await case.settle((0, 1), total, records=records) == Settled(SettleCode.INCOMPLETE, 0, 0)
    assert await case.contents() == before
    await case.warm()
    before = await case.contents()
    assert (await case.settle((0, 1), total, records=records, epoch="another")).code is SettleCode.OTHER_EPOCH
    assert await case.contents() == before


async def test_a_settle_keeps_the_instant_before_the_ledger_was_read(case: JournalCase) -> None:
    """`caught_up_at` is written with the totals it speaks of, and only where a settle names it."""
    await case.warm()
    await case.settle((0, 1))
    state = case.keys.of(0, "state")
    assert await case.store.hget(state, "caught_up_at") is None
    await case.journal.settle(0, Settlement(EPOCH, 1, 1, (), (), 1234))
    assert await case.store.hget(state, "caught_up_at") == b"1234"


async def test_only_the_holder_of_the_token_rebuilds(case: JournalCase) -> None:
    """Loading and opening need the token of the newest rebuild and no epoch; else they say: start over."""
    assert not await case.journal.complete(0)
    assert await case.journal.rebuild_begin(0, "a")
    assert await case.journal.rebuild_begin(0, "b")
    total = Touch("acme", case.open, 5)
    opening = {"ledger_epoch": EPOCH, "version": 7, "quarantine_ms": 0}
    assert not await case.journal.rebuild_load(0, "a", [total])
    assert not await case.journal.rebuild_open(0, "a", **opening)
    assert not await case.journal.complete(0)
    assert await case.journal.rebuild_load(0, "b", [total])
    assert await case.journal.rebuild_open(0, "b", **opening)
    assert await case.journal.complete(0)
    assert not await case.journal.rebuild_begin(0, "c")
    assert not await case.journal.rebuild_load(0, "b", [Touch("acme", case.open, 1)])
    assert not await case.journal.rebuild_open(0, "b", **opening)
    assert await case.view() == DayView(True, 5, 0, 0, None, False)
    assert (await case.settle((7, 7))).fence == 7


async def test_a_rebuild_leaves_journal_and_pending_alone(case: JournalCase) -> None:
    """What waits is not in Postgres: a rebuild sets settled beside it."""
    await case.post(3)
    await case.warm(1, Touch("acme", case.open, 5), Touch("gone", case.closed, 9))
    assert await case.view() == DayView(True, 5, 3, 0, None, False)
    assert (await case.view("gone", case.closed)).settled_nanos == 9
    assert len(await case.records()) == 1


async def test_a_cleared_day_keeps_what_waits(case: JournalCase) -> None:
    """A total that the restored ledger does not have goes, what lies in the journal stays counted."""
    await case.warm(1, Touch("acme", case.open, 5))
    await case.post(3)
    await case.journal.forget(0)
    assert await case.journal.rebuild_begin(0, "t")
    assert not await case.journal.rebuild_clear(0, "another", [("acme", case.open.day)])
    assert (await case.view()).settled_nanos == 5
    assert await case.journal.rebuild_clear(0, "t", [("acme", case.open.day), ("unknown", case.open.day)])
    assert await case.view() == DayView(False, 0, 3, 0, None, False)
    assert await case.store.hlen(case.keys.day(0, case.open.day.isoformat())) == 1


async def test_opening_quarantines_for_the_longest_hold(case: JournalCase) -> None:
    """A cold partition names the instant until which a lost hold may still be alive."""
    before = await case.journal.now_ms(0)
    assert await case.journal.rebuild_begin(0, "t")
    assert await case.journal.rebuild_open(0, "t", ledger_epoch=EPOCH, version=0, quarantine_ms=600_000)
    until = int(await case.store.hget(case.keys.of(0, "state"), "quarantine_until"))
    assert before + 600_000 <= until <= await case.journal.now_ms(0) + 600_000


async def test_forgetting_makes_counters_incomplete_and_keeps_pending(case: JournalCase) -> None:
    """After `forget` a rebuild can begin; what waits still counts."""
    await case.warm()
    await case.post(3)
    await case.journal.forget(0)
    assert not await case.journal.complete(0)
    assert (await case.view()).pending_nanos == 3
    assert await case.journal.rebuild_begin(0, "t")


async def test_an_older_limit_never_replaces_a_newer_one(case: JournalCase) -> None:
    """Limits are versioned, each tenant's own before the default; None takes a tenant's own away."""
    assert await case.limit(100, version=5) == 1
    assert await case.limit(200, version=5) == 0
    assert await case.limit(200, version=4) == 0
    assert (await case.view()).limit_nanos == 100
    assert await case.limit(70, version=6, tenant="acme") == 1
    assert (await case.view()).limit_nanos == 70
    assert (await case.view("other")).limit_nanos == 100
    assert await case.limit(None, version=7, tenant="acme") == 1
    assert await case.limit(70, version=6, tenant="acme") == 0
    assert (await case.view()).limit_nanos == 100


async def test_sums_beyond_2_to_the_53_stay_exact(case: JournalCase) -> None:
    """Settled, pending, limit and journal sum differ by one nano-dollar where a float would not."""
    half = 2**62
    await case.limit(2 * half - 1)
    await case.warm(1, Touch("acme", case.open, half - 1))
    await case.post(half - 1)
    assert not await case.throttled()
    assert (await case.post(1)).throttled == ("acme",)
    assert await case.view() == DayView(True, half - 1, half, 0, 2 * half - 1, True)
    (day,) = (await case.journal.audit(0, [("acme", case.open.day)], 10)).days
    assert (day.settled_nanos, day.pending_nanos, day.journal_nanos) == (half - 1, half, half)
    assert await case.spend() == str((2 * half - 1 + 5_000_000) // 10_000_000).encode()
    await case.limit(2 * half - 1 + 0, version=2)
    await case.limit(INT64_MAX, version=3)
    assert await case.journal.evaluate(0, [("acme", case.open.day)]) == 1


async def test_a_record_that_would_overflow_a_meter_changes_nothing(case: JournalCase) -> None:
    """The whole record is refused, and the tenants before the overflowing one get their pending back."""
    await case.warm()
    await case.post(INT64_MAX)
    await case.post(3, "first")
    await case.post(5, "free")
    before = await case.contents()
    touches = (Touch("first", case.open, 2), Touch("free", case.open, 0), Touch("acme", case.open, 1))
    posted = await case.journal.post(case.record(*touches))
    assert (posted.code, posted.throttled) == (PostCode.REFUSED_OVERFLOW, ())
    assert await case.contents() == before
    assert (await case.view()).pending_nanos == INT64_MAX


@pytest.mark.parametrize(("before", "added", "fits"), [(-5, 5, True), (-5, 6, False), (-(10**9), 10**9, True)])
async def test_pending_reaches_the_end_of_int64_and_no_further(
    case: JournalCase, before: int, added: int, fits: bool
) -> None:
    await case.warm()
    await case.post(INT64_MAX + before)
    posted = await case.post(added)
    assert posted.code == (PostCode.POSTED if fits else PostCode.REFUSED_OVERFLOW)
    assert (await case.view()).pending_nanos == (INT64_MAX if fits else INT64_MAX + before)


async def test_a_record_of_more_tenants_than_one_command_takes(case: JournalCase) -> None:
    """Thousands of tenants and two days in one record and one settle: each has its own sum."""
    await case.warm()
    await case.limit(3_000, tenant="t4500")
    names = [f"t{number}" for number in range(1, 4_501)]
    late = [Touch("t1", case.closed, 7), Touch("t4500", case.closed, 9)]
    touches = [*(Touch(name, case.open, int(name[1:])) for name in names), *late]
    posted = await case.journal.post(case.record(*touches))
    assert (posted.code, posted.throttled) == (PostCode.POSTED, ("t4500",))
    for name in ("t1", "t2000", "t2001", "t4500"):
        assert await case.view(name) == DayView(
            True, 0, int(name[1:]), 0, 3_000 if name == "t4500" else None, name == "t4500"
        )
    totals = [Touch(touch.tenant, touch.window, touch.nanos + 1) for touch in touches]
    settled = await case.settle((0, 1), *totals, records=await case.records())
    assert settled == Settled(SettleCode.SETTLED, 1, 1)
    for name in ("t1", "t2000", "t2001", "t4500"):
        assert (await case.view(name)).settled_nanos == int(name[1:]) + 1
        assert (await case.view(name)).pending_nanos == 0
    assert [(await case.view(name, case.closed)).settled_nanos for name in ("t1", "t2", "t4500")] == [8, 0, 10]
    closed = await case.journal.closed_days(0, 0, 10)
    assert await case.journal.sweep(0, 0, closed) == 2
    assert (await case.view("t1", case.closed)).settled_nanos == 0
    assert (await case.view("t1")).settled_nanos == 2


async def test_a_late_settle_leaves_nothing_of_days_that_are_not_kept(case: JournalCase) -> None:
    """Totals of a version that is passed already make no field: nothing would ever sweep it."""
    await case.warm(version=5)
    await case.post(3)
    before = await case.contents()
    assert (await case.settle((0, 4), Touch("ghost", case.open, 7), Touch("acme", case.open, 9))).fence == 5
    before.pop(case.keys.of(0, "clock").encode())
    after = await case.contents()
    after.pop(case.keys.of(0, "clock").encode())
    assert after == before


async def test_a_day_takes_the_window_that_the_ledger_has(case: JournalCase) -> None:
    """The ledger's window of a kept day is another one: it is swept, and shown, by that."""
    await case.warm()
    await case.post(10_000_000)
    (record,) = await case.records()
    assert await case.journal.closed_days(0, 0, 10) == []
    past = DayWindow(case.open.day, case.open.start - HOUR, case.open.end - 2 * HOUR)
    await case.settle((0, 1), Touch("acme", case.open, 10_000_000), records=[record])
    await case.settle((1, 2), Touch("acme", past, 10_000_000))
    assert await case.journal.closed_days(0, 0, 10) == [("acme", case.open.day)]
    assert await case.journal.sweep(0, 0, [("acme", case.open.day)]) == 1


async def test_a_tenant_with_nothing_of_its_own_has_no_hash(case: JournalCase) -> None:
    """What is kept of a tenant that has neither limits nor holds is a field of the day's hash."""
    await case.warm()
    await case.limit(100)
    await case.post(5)
    await case.settle((0, 1), Touch("acme", case.open, 5), records=await case.records())
    assert await case.store.exists(case.keys.tenant(0, "acme")) == 0
    await case.post(100)
    assert await case.throttled()
    assert await case.store.exists(case.keys.tenant(0, "acme")) == 1


async def test_a_refused_record_leaves_no_trace_of_new_meters(case: JournalCase) -> None:
    """A meter that only the refused record would have made does not exist afterwards."""
    await case.warm()
    await case.post(INT64_MAX)
    before = await case.contents()
    await case.journal.post(case.record(Touch("new", case.open, 2), Touch("acme", case.open, 1)))
    assert await case.contents() == before


async def test_scripts_come_back_after_they_are_flushed(case: JournalCase) -> None:
    """A server that forgot the scripts is sent them whole: nobody sees NOSCRIPT."""
    await case.warm()
    await case.post(1)
    await case.admin.script_flush()
    assert (await case.post(1)).code is PostCode.POSTED
    await case.admin.script_flush()
    assert (await case.settle((0, 1))).code is SettleCode.SETTLED
    assert (await case.view()).pending_nanos == 2


async def test_open_days_pages_through_every_meter(case: JournalCase) -> None:
    """All kept days come, whatever the page size; a day is kept from its first record or total on."""
    await case.warm()
    days = {(f"t{number}", case.open.day) for number in range(300)}
    await case.journal.post(case.record(*(Touch(tenant, case.open, 1) for tenant, _ in sorted(days))))
    await case.settle((0, 1), Touch("settled only", case.closed, 1))
    found, cursor = set(), 0
    while True:
        cursor, page = await case.journal.open_days(0, cursor, 50)
        found.update(page)
        if cursor == 0:
            break
    assert found == days | {("settled only", case.closed.day)}


async def test_only_meters_long_closed_and_at_rest_are_swept(case: JournalCase) -> None:
    """Pending keeps a closed meter; so does a window that is open or closed too recently."""
    await case.warm(1, Touch("rest", case.closed, 5), Touch("open", case.open, 5))
    await case.post(3, "busy", case.closed)
    everyone = [("rest", case.closed.day), ("open", case.open.day), ("busy", case.closed.day)]
    assert await case.journal.closed_days(0, 2 * 3_600_000, 10) == []
    assert await case.journal.sweep(0, 2 * 3_600_000, everyone) == 0
    closed = await case.journal.closed_days(0, 0, 10)
    assert sorted(closed) == [("busy", case.closed.day), ("rest", case.closed.day)]
    assert await case.journal.closed_days(0, 0, 1) == closed[:1]
    assert await case.journal.sweep(0, 0, everyone) == 1
    assert (await case.view("rest", case.closed)).settled_nanos == 0
    assert (await case.view("busy", case.closed)).pending_nanos == 3
    await case.settle((1, 2), Touch("busy", case.closed, 3), records=await case.records())
    assert await case.journal.sweep(0, 0, everyone) == 1
    assert await case.journal.open_days(0, 0, 10) == (0, [("open", case.open.day)])
    assert await case.store.exists(case.keys.tenant(0, "rest"), case.keys.tenant(0, "busy")) == 0


async def test_a_swept_day_comes_back_with_its_late_event(case: JournalCase) -> None:
    """Until the ledger says what the day has come to, a late event for a swept day shows no spend that is too low."""
    await case.warm(1, Touch("acme", case.closed, 20_000_000))
    await case.journal.evaluate(0, [("acme", case.closed.day)])
    assert await case.journal.sweep(0, 0, [("acme", case.closed.day)]) == 1
    await case.post(10_000_000, at=case.closed)
    assert await case.spend(at=case.closed) == b"2"
    await case.settle((1, 2), Touch("acme", case.closed, 30_000_000), records=await case.records())
    assert await case.spend(at=case.closed) == b"3"
    assert (await case.view(at=case.closed)).settled_nanos == 30_000_000


async def test_an_audit_adds_the_journal_up_at_one_instant(case: JournalCase) -> None:
    """Pending stands beside the sum of what the journal holds for the same day; a long journal is not added up."""
    await case.warm(4)
    await case.post(3)
    await case.post(4)
    await case.post(5, "other", case.closed)
    days = [("acme", case.open.day), ("other", case.closed.day), ("nobody", case.open.day)]
    audit = await case.journal.audit(0, days, 3)
    assert (audit.complete, audit.fence, audit.records) == (True, 4, 3)
    assert [(day.pending_nanos, day.journal_nanos) for day in audit.days] == [(7, 7), (5, 5), (0, 0)]
    assert (await case.journal.audit(0, days, 2)).days is None


async def test_partitions_do_not_meet(case: JournalCase) -> None:
    """What one partition waits for, counts or forgets is nothing to another."""
    await case.warm()
    await case.post(3)
    assert not await case.journal.complete(1)
    assert await case.journal.depth(1) == Depth(0, 0)
    await case.journal.forget(1)
    assert await case.journal.complete(0)


async def test_every_key_stands_under_the_prefix(case: JournalCase) -> None:
    """A shared store grants one prefix; nothing is written outside it."""
    await case.limit(1)
    await case.warm(1, Touch("acme", case.open, 5))
    await case.post(7)
    await case.settle((1, 2), Touch("acme", case.open, 12), records=await case.records())
    keys = await case.admin.keys("*")
    assert len(keys) >= 6
    prefix = case.keys.throttled("").removesuffix("throttled:")
    assert all(key.decode().startswith(prefix) for key in keys)


async def test_a_full_store_refuses_posts_and_still_settles(case: JournalCase) -> None:
    """Out of memory a record is not taken (it goes to the inbox), and what waits can leave: else it stays full."""
    await case.warm()
    await case.post(5)
    await case.admin.config_set("maxmemory", 1)
    try:
        with pytest.raises(JournalUnavailable):
            await case.post(6)
        assert await case.journal.now_ms(0) > 0
        answer = await case.settle((0, 1), Touch("acme", case.open, 5), records=await case.records())
        assert answer == Settled(SettleCode.SETTLED, 1, 1)
        assert await case.journal.evaluate(0, [("acme", case.open.day)]) == 0
        assert await case.view() == DayView(True, 5, 0, 0, None, False)
    finally:
        await case.admin.config_set("maxmemory", 256 << 20)


async def test_a_store_that_is_away_is_said_to_be(case: JournalCase) -> None:
    """Refused connections and refused commands both come out as `JournalUnavailable`."""
    await case.admin.set(case.keys.of(0, "journal"), "no stream")
    with pytest.raises(JournalUnavailable):
        await case.records()
    nowhere = Redis.from_url("redis://127.0.0.1:1/0")
    with pytest.raises(JournalUnavailable):
        await ValkeyJournal(nowhere, case.keys).post(case.record(Touch("acme", case.open, 1)))
    await nowhere.aclose()


async def test_the_window_of_a_meter_is_its_own(case: JournalCase) -> None:
    """Windows of one tenant differ by day name, each with its own counters."""
    await case.warm()
    other = window(9, -2 * HOUR, 2 * HOUR)
    await case.post(3)
    await case.post(4, at=other)
    assert [(await case.view(at=at)).pending_nanos for at in (case.open, other)] == [3, 4]


async def test_the_narrow_acl_refuses_what_it_should(case: JournalCase) -> None:
    """The rights of the narrow cases are as narrow as said: no PING, no MULTI, no TIME, no foreign key."""
    if not case.keys.throttled("").startswith("pool-1234:"):
        pytest.skip("this case has every right")
    for command in (("PING",), ("MULTI",), ("TIME",), ("INFO",), ("WAIT", 0, 1), ("GET", "foreign")):
        with pytest.raises(NoPermissionError):
            await case.store.execute_command(*command)
