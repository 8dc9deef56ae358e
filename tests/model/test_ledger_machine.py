"""Random histories on the real scripts and the real SQL, judged by an auditor that recomputes everything.

`HYPOTHESIS_PROFILE=long` runs for hours; `TOLLBOOK_TEST_SEED` repeats a run, whose seed is printed on failure.
"""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis

from tests.contract.ledger_case import timed_id, ulid
from tests.core_world import CROSSINGS, Crossings, Killed, World, abandon, event, open_world
from tests.kept_day import KeptDays
from tests.model.auditor import Auditor, Reported
from tollbook.domain.errors import LedgerUnavailable
from tollbook.domain.money import cents_of
from tollbook.domain.record import Record
from tollbook.pipeline.drain import Drain
from tollbook.ports.journal import Limit
from tollbook.ports.ledger import Batch, Booked

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
HISTORIES, STEPS = (20_000, 80) if LONG else (25, 25)
SETTINGS = settings(
    max_examples=HISTORIES,
    stateful_step_count=STEPS,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
TENANTS = ("acme", "büro", "c")
NOW = datetime.now(UTC)
IDS = (*(f"e{number}" for number in range(6)), timed_id(NOW), ulid(NOW), timed_id(NOW - timedelta(days=3)))
EMPTY = """
TRUNCATE entry, identity, daily_spend, ledger_batch, rollup_hour, run_total, inbox, dead_letter;
UPDATE partition SET version = 0
"""

reported = st.builds(
    lambda tenant, number, days, poison: (tenant, number, days, poison),
    st.sampled_from(TENANTS),
    st.integers(0, len(IDS) - 1),
    st.sampled_from((0, 0, 0, 0, 1, 2, 5)),
    st.sampled_from((False,) * 9 + (True,)),
)
which = st.integers(0, 1)


class LedgerMachine(RuleBasedStateMachine):
    """Two drains on one partition, senders, faults, and the auditor beside them."""

    urls: tuple[str, str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.auditor = Auditor()
        self.copied: tuple[dict[bytes, bytes], set[bytes]] | None = None
        self.limit_version = 1
        self.opening = open_world(*self.urls, f"model:{secrets.token_hex(6)}:")
        self.world: World = self.run(self.opening.__aenter__())
        self.run(self._begin())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def _begin(self) -> None:
        await self.world.execute(EMPTY)
        self.world.limits = [Limit(None, 40, 1)]
        self.drains = [self._new_drain(), self._new_drain()]
        ledger = self.world.ledger
        real = {name: getattr(ledger, name) for name in ("book", "book_with_poison")}

        def watched(name: str) -> Callable[[int, Batch, datetime], Awaitable[Booked]]:
            async def book(partition: int, batch: Batch, now: datetime) -> Booked:
                before = {kept.inbox_id: kept.nonce for kept in await ledger.inbox_peek(0, 1_000)}
                booked = await real[name](partition, batch, now)
                self.auditor.commit(batch.nonces, [before[taken] for taken in batch.inbox_ids if taken in before])
                return booked

            return book

        ledger.book, ledger.book_with_poison = watched("book"), watched("book_with_poison")

    def _new_drain(self) -> Drain:
        return self.world.drain(crossing=Crossings())

    def teardown(self) -> None:
        self.run(self.world.lose_valkey())
        self.run(self.opening.__aexit__(None, None, None))
        self.runner.close()

    def _record(self, events: list[tuple[str, int, int, bool]]) -> tuple[Record, list[Reported]]:
        made, noted = [], []
        for tenant, number, days, poison in events:
            event_id, nanos = IDS[number], number * number
            if poison:
                event_id, nanos = f"poison{number}", 3
            ts = self.world.day_before(days)
            made.append(event(tenant, nanos, id=event_id, ts=ts, run="nul" if poison else "run"))
            noted.append(Reported(tenant, event_id, self.world.tenancy.window_at(tenant, ts).day, nanos, poison))
        record = self.world.record(*made)
        rows = record.rows.replace(b"\0\0\0\3nul", b"\0\0\0\3n\0l")
        return Record(0, record.nonce, record.events, record.touches, rows), noted

    @rule(events=st.lists(reported, min_size=1, max_size=4))
    def post(self, events: list[tuple[str, int, int, bool]]) -> None:
        record, noted = self._record(events)
        self.run(self.world.journal.post(record))
        self.auditor.keep(record.nonce, noted, inbox=False)

    @rule(events=st.lists(reported, min_size=1, max_size=3), carried_out=st.booleans())
    def post_to_the_inbox(self, events: list[tuple[str, int, int, bool]], carried_out: bool) -> None:
        """Valkey gave no answer to the post: the record goes to the inbox, and may stand in the journal too."""
        record, noted = self._record(events)
        if carried_out:
            self.run(self.world.journal.post(record))
            self.auditor.keep(record.nonce, noted, inbox=False)
        self.run(self.world.ledger.inbox_append(record))
        self.auditor.keep(record.nonce, noted, inbox=True)

    @rule(which=which, later=st.booleans())
    def step(self, which: int, later: bool) -> None:
        self.world.clock.advance(1 if later else 0.01)
        self.run(self._step(self.drains[which]))

    async def _step(self, drain: Drain) -> None:
        await drain.step()
        await drain.settled()

    @rule(which=which, crossing=st.sampled_from(CROSSINGS), nth=st.integers(1, 2), later=st.booleans())
    def die(self, which: int, crossing: str, nth: int, later: bool) -> None:
        """A drain is killed at a crossing, and another process takes over."""
        self.world.clock.advance(1 if later else 0.01)
        self.drains[which]._crossing = Crossings(crossing, nth)
        self.run(self._step_to_death(self.drains[which]))
        self.drains[which] = self._new_drain()

    async def _step_to_death(self, drain: Drain) -> None:
        try:
            await self._step(drain)
        except Killed:
            await abandon(drain)

    @rule(which=which, crossing=st.sampled_from(CROSSINGS), nth=st.integers(1, 2))
    def overtake(self, which: int, crossing: str, nth: int) -> None:
        """One drain does a whole step while the other stands at a crossing."""
        slow, fast = self.drains[which], self.drains[1 - which]
        passed = []

        async def let_the_other(step: str) -> None:
            passed.append(step)
            if step == crossing and passed.count(step) == nth:
                await self._step(fast)

        slow._crossing.then = let_the_other
        self.world.clock.advance(1)
        self.run(self._step(slow))
        slow._crossing.then = None

    @rule(which=which)
    def step_without_valkey(self, which: int) -> None:
        """What was read is booked, and its settle is put off."""
        self.run(self._step_without_valkey(self.drains[which]))

    async def _step_without_valkey(self, drain: Drain) -> None:
        self.world.journal._store = Redis.from_url("redis://127.0.0.1:1/0")
        try:
            await self.world.drain_one_blind(drain)
        finally:
            self.world.journal._store = self.world.store

    @rule(which=which, committed=st.booleans())
    def step_without_postgres(self, which: int, committed: bool) -> None:
        """The connection breaks before the commit, or between the commit and its answer."""
        self.run(self._step_without_postgres(self.drains[which], committed))

    async def _step_without_postgres(self, drain: Drain, committed: bool) -> None:
        real = self.world.ledger.book

        async def broken(partition: int, batch: Batch, now: datetime) -> None:
            if committed:
                await real(partition, batch, now)
            raise LedgerUnavailable("the connection broke")

        self.world.ledger.book = broken
        try:
            await drain.step()
        except LedgerUnavailable:
            pass
        finally:
            self.world.ledger.book = real
        await drain.settled()

    @rule(which=which)
    def tick(self, which: int) -> None:
        self.run(self.drains[which].tick())

    @rule(which=which)
    def read_from_the_head(self, which: int) -> None:
        self.drains[which]._after = ""

    @rule()
    def lose_valkey(self) -> None:
        self.run(self.world.lose_valkey())
        self.auditor.fail_over(set())

    @rule()
    def copy_valkey(self) -> None:
        """A replica stops following."""
        self.copied = (self.run(self.world.copy_valkey()), set(self.auditor.journal))

    @precondition(lambda self: self.copied is not None)
    @rule()
    def fail_over(self) -> None:
        """The replica that stopped following is promoted."""
        keys, journal = self.copied
        self.run(self.world.restore_valkey(keys))
        self.auditor.fail_over(journal)

    @rule(which=which)
    def fail_over_by_a_step(self, which: int) -> None:
        """The promoted replica lacks exactly what a drain did last."""
        self.copy_valkey()
        self.step(which, later=False)
        self.fail_over()

    @rule(tenant=st.sampled_from((None, *TENANTS)), nanos=st.sampled_from((None, 0, 1, 25, 40, 1_000)))
    def change_limit(self, tenant: str | None, nanos: int | None) -> None:
        self.limit_version += 1
        limit = Limit(tenant, 40 if nanos is None and tenant is None else nanos, self.limit_version)
        self.world.limits.append(limit)
        self.run(self._push(limit))

    async def _push(self, limit: Limit) -> None:
        await self.world.journal.limit(0, [limit])
        await self.world.journal.evaluate(0, await self.world.all_days())

    @rule(lost=st.booleans())
    def two_rebuild(self, lost: bool) -> None:
        """Two drains find the counters incomplete at once."""
        self.run(self.world.journal.forget(0))
        if lost:
            self.lose_valkey()
        self.run(self._rebuild_twice())

    async def _rebuild_twice(self) -> None:
        await asyncio.gather(self.world.rebuild().run(0), self.world.rebuild().run(0))

    @rule(which=which)
    def rest(self, which: int) -> None:
        """A drain comes to rest: whatever was acknowledged and not lost is an entry, and nothing is pending."""
        self.run(self.world.drain_dry(self.drains[which]))
        self.judge()
        self.run(self.world.assert_at_rest())
        self.auditor.judge_rest()

    @invariant()
    def judge(self) -> None:
        self.run(self._judge())

    async def _judge(self) -> None:
        world, auditor = self.world, self.auditor
        entries = await world.fetch("SELECT tenant, event_id, day, cost_nanos, version FROM entry")
        found = {(tenant, event_id): (day, nanos) for tenant, event_id, day, nanos, _ in entries}
        assert len(found) == len(entries), "an identity is in the ledger twice"
        assert found == {key: (kept.day, kept.nanos) for key, kept in auditor.entries.items()}
        totals = await world.settled_totals()
        assert totals == auditor.settled()
        auditor.judge_journal({record.nonce for record in await world.journal.read(0, "", 10_000)})
        pending = auditor.pending()
        days = sorted({*totals, *pending, *await world.all_days()})
        audit = await world.journal.audit(0, days, 10_000)
        at_fence: dict[tuple[str, date], int] = {}
        for tenant, _, day, nanos, version in entries:
            if version <= audit.fence:
                at_fence[tenant, day] = at_fence.get((tenant, day), 0) + nanos
        for counted in audit.days:
            key = (counted.tenant, counted.day)
            assert counted.pending_nanos == counted.journal_nanos == pending.get(key, 0), counted
            if audit.complete and not self._long_closed(key):
                assert counted.settled_nanos == at_fence.get(key, 0), (counted, audit.fence)
        if audit.complete:
            await self._judge_flags()

    def _long_closed(self, key: tuple[str, date]) -> bool:
        return self.world.tenancy.calendar_of(key[0]).window_of(key[1]).end < NOW - timedelta(hours=71)

    async def _judge_flags(self) -> None:
        for tenant in TENANTS:
            today = self.world.today(tenant)
            view = await self.world.journal.view(0, tenant, today)
            spent = view.settled_nanos + view.pending_nanos
            known = await KeptDays(self.world.store, self.world.keys).read(tenant, today)
            over = view.limit_nanos is not None and spent >= view.limit_nanos
            assert view.throttled == (bool(known) and over), (tenant, view)
            shown = await self.world.spend_cents(tenant, today)
            assert shown == (cents_of(spent) if known else None), (tenant, view)


@pytest.mark.timeout(0 if LONG else 300)
def test_every_history_keeps_the_equation(postgres_url: str, valkey_url: str) -> None:
    """Whatever is posted, lost, killed or repeated: one entry an identity, spent = settled + pending, pure flags."""

    class Machine(LedgerMachine):
        urls = (postgres_url, valkey_url)

    number = int(os.environ.get("TOLLBOOK_TEST_SEED") or secrets.randbelow(2**32))
    print(f"TOLLBOOK_TEST_SEED={number}")
    run_state_machine_as_test(seed(number)(Machine), settings=SETTINGS)
