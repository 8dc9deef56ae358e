"""Random histories of holds on the real scripts, judged by an auditor that recomputes everything; the ledger is played.

`HYPOTHESIS_PROFILE=long` runs for hours; `TOLLBOOK_TEST_SEED` repeats a run, whose seed is printed on failure.
"""

import asyncio
import os
import secrets
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis

from tests.kept_day import KeptDays
from tests.model.holds_auditor import Hold, HoldsAuditor, Kept, Reported
from tollbook.domain.record import HoldUse, MeterTotal, MeterTouch, Record, Touch
from tollbook.domain.window import DayWindow
from tollbook.journal.holds import ValkeyHolds
from tollbook.journal.keys import Keys
from tollbook.journal.valkey import ValkeyJournal
from tollbook.ports.holds import HoldCheck, HoldCode, HoldRequest, HoldState
from tollbook.ports.journal import SettleCode, Settlement

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
HISTORIES, STEPS = (20_000, 120) if LONG else (40, 40)
SETTINGS = settings(
    max_examples=HISTORIES,
    stateful_step_count=STEPS,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
TENANT = "büro"
LIFE_MAX_MS = 600_000
AHEAD_MS = 3_600_000
# How long the windows last here: short, so that a history meets many.
WINDOW_MS = {"day": 300_000, "month": 900_000, "hour": 120_000}
RUN = "usd|run:r|run|r"
KINDS = ("day", "month", "hour", "run")
IDS = st.integers(0, 5)


def _window(kind: str, at_ms: int, base_ms: int) -> tuple[int, int, int]:
    length = WINDOW_MS[kind]
    number = (at_ms - base_ms) // length
    return number, base_ms + number * length, base_ms + (number + 1) * length


class HoldsMachine(RuleBasedStateMachine):
    """One tenant, its gate, its callers, and a ledger that books when it is told to."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.prefix = f"holds:{secrets.token_hex(6)}:"
        self.store = Redis.from_url(self.url)
        self.keys = Keys(self.prefix)
        self.journal = ValkeyJournal(self.store, self.keys)
        self.holds = ValkeyHolds(self.store, self.keys)
        self.auditor = HoldsAuditor()
        self.minted = 0
        self.version = 0
        self.limits = {"day": 20, "month": 40, "hour": 6, "run": 30}
        self.until: dict[str, int] = {}
        self.windows: dict[str, DayWindow] = {}
        self.base_ms = int(datetime.now(UTC).timestamp() * 1000) + AHEAD_MS
        self.run(self._begin())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def _begin(self) -> None:
        await self._go_on(self.base_ms)
        await self._rebuild(quarantine_ms=0)
        self.auditor.quarantine_until_ms = 0

    async def _go_on(self, at_ms: int) -> None:
        """Set the store's clock: ids never run back, so both streams stand still at an instant ahead of the present."""
        await self.store.xadd(self.keys.of(0, "clock"), {"x": "1"}, id=f"{at_ms}-1")
        journal = self.keys.of(0, "journal")
        await self.store.xdel(journal, await self.store.xadd(journal, {"x": "1"}, id=f"{at_ms}-1"))
        self.auditor.now_ms = at_ms

    def teardown(self) -> None:
        self.run(self._empty())
        self.run(self.store.aclose())
        self.runner.close()

    async def _empty(self) -> None:
        found = [key async for key in self.store.scan_iter(match=f"{self.prefix}*", count=1_000)]
        if found:
            await self.store.delete(*found)

    def meters(self, kinds: tuple[str, ...] = KINDS) -> dict[str, str]:
        """The meters of the present windows by kind, noted with when they end."""
        named = {}
        for kind in kinds:
            if kind == "run":
                meter, ends = RUN, 0
            else:
                number, starts, ends = _window(kind, self.auditor.now_ms, self.base_ms)
                day = date(2026, 1, 1) + timedelta(days=number)
                meter = {
                    "day": f"day:{day.isoformat()}",
                    "month": f"usd|month:{number}|agent|planner",
                    "hour": f"calls|hour:{number}|tenant|",
                }[kind]
                if kind == "day":
                    bounds = (datetime.fromtimestamp(at / 1000, UTC) for at in (starts, ends))
                    self.windows[meter] = DayWindow(day, *bounds)
            self.until[meter] = ends
            named[kind] = meter
        return named

    def _checks(self, kinds: tuple[str, ...], least: int, most: int) -> dict[str, tuple[int, int, int]]:
        chosen = {}
        for kind, meter in self.meters(kinds).items():
            chosen[meter] = (self.limits[kind], 1, 1) if kind == "hour" else (self.limits[kind], least, most)
        return chosen

    @staticmethod
    def _sent(checks: dict[str, tuple[int, int, int]], until: dict[str, int], *, strict: bool) -> list[HoldCheck]:
        return [
            HoldCheck(meter, limit, least, most, strict, until[meter] or None)
            for meter, (limit, least, most) in checks.items()
        ]

    @rule(
        kinds=st.sampled_from((KINDS, ("day",), ("day", "hour"), ("month", "day"), ("hour",), ("day", "run"))),
        most=st.integers(0, 12),
        spread=st.sampled_from((0, 0, 3)),
        ttl_ms=st.sampled_from((30_000, 60_000, LIFE_MAX_MS, 2 * LIFE_MAX_MS)),
        how=st.sampled_from(("hold", "hold", "hold", "lease", "loose", "check")),
        caller=st.sampled_from((None, None, "c0", "c1")),
    )
    def hold(self, kinds: tuple[str, ...], most: int, spread: int, ttl_ms: int, how: str, caller: str | None) -> None:
        auditor = self.auditor
        checks = self._checks(kinds, max(0, most - spread), most)
        self.minted += 1
        request = HoldRequest(
            tenant=TENANT,
            hold_id=f"h{self.minted}",
            caller_id=caller,
            versions=(0, self.version),
            checks=self._sent(checks, self.until, strict=how != "loose"),
            ttl_ms=ttl_ms,
            context=b"\xff",
            lease=how == "lease",
            reserve=how != "check",
        )
        (answer,) = self.run(self.holds.hold(0, [request]))
        auditor.expire()
        known = auditor.callers.get(caller or "") if request.reserve else None
        if known is not None:
            assert (answer.code, answer.hold_id) == (HoldCode.REPEATED, known)
            assert answer.state is auditor.state_of(known)
            return
        code, granted = auditor.decide(checks, own={}, waits=how != "loose")
        assert answer.code is code, (answer, code, checks)
        if code is not HoldCode.HELD:
            return
        assert dict(zip(checks, answer.amounts, strict=True)) == granted
        if how != "loose" and how != "check":
            # The promise: nothing that is used or may still be used comes to more than the limit.
            sure, alive = auditor.spent_for_sure(), auditor.alive()
            for meter, (limit, _, _) in checks.items():
                assert sure[meter] + alive[meter] + granted[meter] <= limit, meter
        if request.reserve:
            expires_ms = auditor.now_ms + min(ttl_ms, LIFE_MAX_MS)
            assert answer.expires_ms == expires_ms
            auditor.holds[request.hold_id] = Hold(how == "lease", expires_ms, granted)
            if caller is not None:
                auditor.callers[caller] = request.hold_id

    def _pick(self, number: int) -> str | None:
        """One of the holds made last, known to Valkey or not."""
        names = [f"h{made}" for made in range(max(1, self.minted - 7), self.minted + 1)]
        known = [name for name in names if name in self.auditor.holds or name in self.auditor.ghosts]
        return known[number % len(known)] if known else None

    def _event(self, number: int, nanos: int, part: int, *, held: bool) -> tuple[Reported, dict[str, int]]:
        """An event that names a hold and counts in its windows, or one that names none."""
        auditor = self.auditor
        hold_id = self._pick(number) if held else None
        hold = auditor.holds.get(hold_id or "") or auditor.ghosts.get(hold_id or "")
        amounts = {meter: 1 if kind == "hour" else nanos for kind, meter in self.meters().items()}
        covered = False
        if hold is not None:
            part = part if hold.lease else 0
            mine = {meter.split("|", 2)[0] + meter.split(":")[0]: meter for meter in hold.amounts}
            for meter in list(amounts):
                alike = mine.get(meter.split("|", 2)[0] + meter.split(":")[0])
                if alike is not None and alike != meter:
                    amounts[alike] = amounts.pop(meter)
            covered = (
                hold_id in auditor.holds
                and auditor.state_of(hold_id or "") is HoldState.OPEN
                and not hold.lease
                and hold_id not in auditor.reported
                and all(amounts[meter] <= hold.amounts.get(meter, 0) for meter in amounts)
            )
        identity = f"e{hold_id}.{part}" if hold_id else f"e{number}"
        if identity in auditor.ledger.booked:
            amounts = dict(auditor.ledger.booked[identity][1].amounts)
        for event in [kept.event for kept in auditor.journal.values()] + auditor.inbox:
            if event.identity == identity:
                amounts = dict(event.amounts)
        return Reported(identity, tuple(amounts.items()), hold_id, part if hold_id else 0, covered), amounts

    @rule(number=IDS, nanos=st.integers(0, 9), part=st.integers(0, 3), held=st.booleans(), aware=st.booleans())
    def post(self, number: int, nanos: int, part: int, held: bool, aware: bool) -> None:
        """An event, new or a repeat; a receiver that has not heard of the budgets leaves their meters out."""
        auditor = self.auditor
        event, amounts = self._event(number, nanos, part, held=held)
        spent = next(amount for meter, amount in amounts.items() if meter.startswith("day:"))
        hold = auditor.holds.get(event.hold_id or "")
        known = hold.amounts if hold is not None else {}
        counted = {
            meter: amount
            for meter, amount in amounts.items()
            if meter.startswith("day:") or aware or hold is None or meter in known
        }
        told = {meter for meter in counted if meter.startswith("day:") or aware or hold is None}
        record = self._record(event, counted, told, spent)
        posted = self.run(self.journal.post(record))
        auditor.journal[record.nonce] = Kept(event, tuple(counted.items()))
        if event.hold_id is not None:
            state, beyond = auditor.use(event, spent)
            assert [(use.state, use.overage_nanos) for use in posted.holds] == [(state, beyond)], event
            auditor.reported.add(event.hold_id)

    def _record(self, event: Reported, counted: dict[str, int], told: set[str], nanos: int) -> Record:
        touches = tuple(Touch(TENANT, self.windows[m], n) for m, n in counted.items() if m in self.windows)
        meters = tuple(
            MeterTouch(TENANT, meter, amount, self.until[meter])
            for meter, amount in counted.items()
            if meter in told and meter not in self.windows
        )
        uses = (HoldUse(TENANT, event.hold_id, event.part, nanos, 0),) if event.hold_id else ()
        return Record(0, secrets.token_bytes(16), 1, touches, b"rows", meters, uses)

    @rule(number=IDS, nanos=st.integers(0, 9), part=st.integers(0, 3), held=st.booleans())
    def report_to_the_inbox(self, number: int, nanos: int, part: int, held: bool) -> None:
        """Valkey did not answer: the event waits in Postgres, and its hold does not know."""
        event, _ = self._event(number, nanos, part, held=held)
        self.auditor.inbox.append(event)
        if event.hold_id is not None:
            self.auditor.reported.add(event.hold_id)

    @rule(journal=st.booleans(), inbox=st.booleans())
    def book(self, journal: bool, inbox: bool) -> None:
        """A ledger transaction; its settle is another step, or never comes."""
        waiting = [kept.event for kept in self.auditor.journal.values()] if journal else []
        if inbox:
            waiting += self.auditor.inbox
            self.auditor.inbox = []
        self.auditor.ledger.book(waiting)

    @rule(catches_up=st.booleans(), twice=st.booleans())
    def settle(self, catches_up: bool, twice: bool) -> None:
        """Everything since the fence, once or again; a catch-up that finds the inbox empty says when it began."""
        settled = self._settlement(self.auditor.now_ms if catches_up and not self.auditor.inbox else None)
        for _ in range(1 + twice):
            self.run(self._settle(settled))

    def _settlement(self, read_at_ms: int | None) -> Settlement:
        auditor = self.auditor
        ledger, fence = auditor.ledger, auditor.fence
        sums, changed = ledger.totals(ledger.version), ledger.changed(fence)
        booked = set(ledger.booked)
        records = [
            record
            for record in self.run(self.journal.read(0, "", 1_000))
            if auditor.journal[record.nonce].event.identity in booked
        ]
        for record in records:
            changed |= {meter for meter, _ in auditor.journal[record.nonce].pending}
        touches = [Touch(TENANT, self.windows[meter], sums[meter]) for meter in changed if meter in self.windows]
        meters = [
            MeterTotal(TENANT, meter, sums[meter], self.until[meter]) for meter in changed if meter not in self.windows
        ]
        names = [(TENANT, name) for version, name in ledger.named if version > fence]
        return Settlement("epoch", fence, ledger.version, touches, records, read_at_ms, meters, names)

    async def _settle(self, settlement: Settlement) -> None:
        auditor = self.auditor
        answer = await self.journal.settle(0, settlement)
        assert answer.code is SettleCode.SETTLED
        if auditor.fence < settlement.to_version:
            auditor.loaded |= {total.meter for total in settlement.meters}
        auditor.settle_named(settlement.from_version)
        auditor.fence = max(auditor.fence, settlement.to_version)
        assert answer.fence == auditor.fence
        for record in settlement.records:
            auditor.journal.pop(record.nonce, None)
        if settlement.read_at_ms is not None:
            auditor.caught_up_ms = settlement.read_at_ms

    @rule(number=IDS)
    def release(self, number: int) -> None:
        """A caller that has reported never releases."""
        hold_id = self._pick(number)
        if hold_id is None or hold_id in self.auditor.reported:
            return
        state = self.auditor.state_of(hold_id)
        assert self.run(self.holds.release(0, TENANT, hold_id, {})) is state
        if state is HoldState.OPEN:
            self.auditor.holds[hold_id].state = HoldState.RELEASED
            self.auditor.released.add(hold_id)

    @rule(number=IDS, ttl_ms=st.sampled_from((None, 30_000, 2 * LIFE_MAX_MS)), most=st.sampled_from((None, 0, 3, 9)))
    def extend(self, number: int, ttl_ms: int | None, most: int | None) -> None:
        """A caller that has reported does not extend either."""
        auditor, hold_id = self.auditor, self._pick(number)
        if hold_id is None or hold_id in auditor.reported:
            return
        hold = auditor.holds.get(hold_id)
        checks = {}
        for meter in hold.amounts if hold is not None and most is not None else {}:
            kind = next(kind for kind in KINDS if f"{kind}:" in meter)
            checks[meter] = (self.limits[kind], 1, 1) if kind == "hour" else (self.limits[kind], most or 0, most or 0)
        sent = {check.meter: check for check in self._sent(checks, self.until, strict=True)}
        state, answer = self.run(
            self.holds.extend(0, TENANT, hold_id, ttl_ms=ttl_ms, amounts=sent, versions=(0, self.version))
        )
        auditor.expire()
        assert state is auditor.state_of(hold_id)
        if state is not HoldState.OPEN or hold is None:
            return
        code, granted = auditor.decide(checks, own=hold.amounts, waits=False) if checks else (HoldCode.HELD, {})
        assert answer.code is code, (answer, code)
        if code is HoldCode.HELD:
            hold.amounts.update(granted)
            if ttl_ms is not None:
                hold.expires_ms = auditor.now_ms + min(ttl_ms, LIFE_MAX_MS)
            assert answer.expires_ms == hold.expires_ms

    @rule()
    def expire(self) -> None:
        found = self.run(self.holds.expire(0, TENANT))
        assert found == self.auditor.expire()
        self._forget()

    def _forget(self) -> None:
        """Follow what the scripts have forgotten: closed holds, and never an open one."""
        kept = {field.decode() for field in self.run(self.store.hkeys(self.keys.holds(0, TENANT)))}
        for name in set(self.auditor.holds) - kept:
            assert self.auditor.holds.pop(name).state is not HoldState.OPEN, name
        self.auditor.callers = {c: name for c, name in self.auditor.callers.items() if name in self.auditor.holds}

    @rule(ms=st.sampled_from((1_000, 30_000, 60_000, 130_000, LIFE_MAX_MS)))
    def pass_time(self, ms: int) -> None:
        """Holds end and windows roll."""
        self.run(self._go_on(self.auditor.now_ms + ms))

    @rule(kind=st.sampled_from(KINDS), limit=st.sampled_from((0, 3, 6, 20, 40)))
    def change_limit(self, kind: str, limit: int) -> None:
        """A gate that has not heard of it is told so, and holds go on by the new limit."""
        self.limits[kind] = limit
        self.version += 1
        assert self.run(self.holds.put_budgets(0, TENANT, [], self.version))
        check = HoldCheck(self.meters()["day"], 10**9, 0, 0, False, None)
        stale = HoldRequest(
            tenant=TENANT,
            hold_id="stale",
            caller_id=None,
            versions=(0, self.version - 1),
            checks=[check],
            ttl_ms=1,
            context=b"",
        )
        (answer,) = self.run(self.holds.hold(0, [stale]))
        self.auditor.expire()
        assert answer.code is HoldCode.STALE

    @precondition(lambda self: RUN not in self.auditor.loaded)
    @rule(late=st.booleans())
    def load_the_run(self, late: bool) -> None:
        """What the ledger says of a run is put in; what it said before the fence is not."""
        ledger, fence = self.auditor.ledger, self.auditor.fence
        version = fence - 1 if late and fence else fence
        total = ledger.totals(version)[RUN]
        done = self.run(self.holds.load(0, TENANT, {RUN: total}, ledger_epoch="epoch", version=version))
        assert done == (version == fence)
        if done:
            self.auditor.loaded.add(RUN)

    @rule(lost=st.booleans())
    def rebuild(self, lost: bool) -> None:
        """The counters are lost, or declared incomplete, and restored from the ledger."""
        if lost:
            self.run(self._empty())
            self.auditor.lose()
            self.run(self._go_on(self.auditor.now_ms))
        else:
            self.run(self.journal.forget(0))
            request = HoldRequest(
                tenant=TENANT, hold_id="x", caller_id=None, versions=(0, 0), checks=[], ttl_ms=1, context=b""
            )
            (answer,) = self.run(self.holds.hold(0, [request]))
            assert answer.code is HoldCode.INCOMPLETE
        self.run(self._rebuild(quarantine_ms=LIFE_MAX_MS))

    async def _rebuild(self, *, quarantine_ms: int) -> None:
        auditor = self.auditor
        sums = auditor.ledger.totals(auditor.ledger.version)
        days = [Touch(TENANT, self.windows[meter], total) for meter, total in sums.items() if meter in self.windows]
        meters = [
            MeterTotal(TENANT, meter, total, self.until[meter])
            for meter, total in sums.items()
            if meter not in self.windows and self.until[meter]
        ]
        assert await self.journal.rebuild_begin(0, "token")
        assert await self.journal.rebuild_load(0, "token", days, meters)
        _, kept = await self.journal.open_meters(0, 0, 10_000)
        assert await self.journal.rebuild_clear(0, "token", [], [(t, meter) for t, meter in kept if meter == RUN])
        if self.version:
            await self.holds.put_budgets(0, TENANT, [], self.version)
        assert await self.journal.rebuild_open(
            0, "token", ledger_epoch="epoch", version=auditor.ledger.version, quarantine_ms=quarantine_ms
        )
        auditor.fence = auditor.ledger.version
        auditor.settle_named(auditor.fence)
        auditor.loaded.discard(RUN)
        auditor.quarantine_until_ms = auditor.now_ms + quarantine_ms

    @rule()
    def sweep(self) -> None:
        """Meters whose window is over leave once they are at rest, and with them nothing that counts."""
        swept = self.run(self.journal.closed_meters(0, 0, 100))
        busy = {meter for sums in (self.auditor.pending(), self.auditor.held()) for meter in sums if sums[meter]}
        gone = {meter for _, meter in swept if meter not in busy and meter != RUN}
        assert all(self.until[meter] <= self.auditor.now_ms for meter in gone)
        assert self.run(self.journal.sweep_meters(0, 0, swept)) == len(gone)
        self.auditor.swept |= gone

    @invariant()
    def judge(self) -> None:
        self._forget()
        found = self.run(self.store.hgetall(self.keys.tenant(0, TENANT)))
        counted = {name.decode(): value for name, value in found.items()}
        for day, kept in self.run(KeptDays(self.store, self.keys).of_tenant(TENANT)).items():
            counted[f"day:{day}:p"] = str(kept.pending).encode()
            if kept.settled is not None:
                counted[f"day:{day}:s"] = str(kept.settled).encode()
        for suffix, sums in ((":p", self.auditor.pending()), (":h", self.auditor.held())):
            shown = {name.removesuffix(suffix): int(n) for name, n in counted.items() if name.endswith(suffix)}
            assert {meter: n for meter, n in shown.items() if n} == {m: n for m, n in sums.items() if n}, suffix
        for meter, total in self.auditor.settled().items():
            kept = counted.get(f"{meter}:s")
            if kept is None:
                unloaded = meter == RUN and RUN not in self.auditor.loaded
                assert unloaded or meter in self.auditor.swept or not total, meter
            else:
                assert int(kept) == total, meter
        for name in self.auditor.holds:
            view = self.run(self.holds.find(0, TENANT, name))
            assert view is not None
            hold = self.auditor.holds[name]
            assert (view.state, view.expires_ms) == (self.auditor.state_of(name), hold.expires_ms)


@pytest.mark.timeout(0 if LONG else 300)
def test_every_history_of_holds_keeps_the_promise(valkey_url: str) -> None:
    """Whatever is held, reported, lost or repeated: the meters are the sums of what is open, and none is too many."""

    class Machine(HoldsMachine):
        url = valkey_url

    number = int(os.environ.get("TOLLBOOK_TEST_SEED") or secrets.randbelow(2**32))
    print(f"TOLLBOOK_TEST_SEED={number}")
    run_state_machine_as_test(seed(number)(Machine), settings=SETTINGS)
