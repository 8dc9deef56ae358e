"""The gate: may this call be made? Every budget it must pass is asked in one atomic step beside the counters."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, assert_never

import msgspec
from msgspec.structs import replace

from tollbook.domain.budget import Action, Budget, BudgetBook, Check, Fail, Mode
from tollbook.domain.decision import Decision, Held, Verdict
from tollbook.domain.errors import JournalUnavailable, StoreError
from tollbook.domain.identity import id_time_ms, minted
from tollbook.domain.meter import Unit, unit_of
from tollbook.domain.tenancy import Tenancy
from tollbook.enforcement.asks import TTL_MS_MAX, Ask, HoldContext, LeaseAsk, packed, unpacked
from tollbook.enforcement.copies import Copies, TenantBudgets
from tollbook.enforcement.estimates import CallPrice, UnitRates
from tollbook.enforcement.lanes import Lanes
from tollbook.enforcement.means import Means
from tollbook.enforcement.plans import Plan, amount_in, cheaper_model, plan_call, plan_lease, sizes_of
from tollbook.enforcement.unsure import SettledTotals, decide_from_ledger, unknown_tenant
from tollbook.enforcement.views import admitted, busy, refused
from tollbook.ports.clock import Clock
from tollbook.ports.holds import BudgetsCopy, HoldAnswer, HoldCode, HoldRequest, Holds, HoldState, HoldView
from tollbook.ports.prices import Prices
from tollbook.ports.totals import Totals
from tollbook.pricing.quote import TokenRates
from tollbook.telemetry import Decided, StoreTrouble, Telemetry

LEASE_SHARE = 8
"""A lease gets an eighth of the room that is left: a hundred processes can each have one."""
_ROUNDS_MAX = 16
"""How often stale copies, missing meters and cheaper models may send a call around."""
_EXPIRING_MAX = 512
"""At 64 a call this ends 32,000 holds that are due."""
_AGAIN_MS = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`step_tokens` stands in for a size that is not said; `unknown` for tenants without a copy, both stores away."""

    step_tokens: int = 1_024
    unknown: Fail = Fail.CLOSED
    call_requests_max: int = 16
    calls_max: int = 3
    waiting_max: int = 20_000
    ledger_timeout_s: float = 5.0
    probe_s: float = 0.25


class Leased(NamedTuple):
    """What a lease holds in each unit (None: no budget counts it), and what a token costs at most."""

    hold_id: str
    amount_nanos: int | None
    tokens: int | None
    calls: int | None
    expires_at: datetime
    rates: UnitRates


class _Asked(NamedTuple):
    """One request on its way: what is asked now, what for at first, and the budgets that have given way."""

    ask: Ask
    lease: LeaseAsk | None
    hold_id: str
    at: datetime
    reserve: bool
    model: str | None = None
    yielded: frozenset[str] = frozenset()

    def on(self, cheaper: Budget) -> "_Asked":
        """The same on a budget's cheaper model. A call that is on it already only gets rid of the limit."""
        yielded = self.yielded | {cheaper.id}
        model = cheaper.degrade_to
        if model is None or model == self.ask.model:
            return self._replace(yielded=yielded)
        ask = self.ask.with_model(model)
        lease = None if self.lease is None else replace(self.lease, call=ask)
        return self._replace(ask=ask, lease=lease, model=model, yielded=yielded)


class _Answered(NamedTuple):
    decision: Decision
    plan: Plan | None = None
    answer: HoldAnswer | None = None


class Gate:
    """Decides calls. One object a process.

    `tenancy` and `book` give the configuration in force; `book` None: it is not loaded yet. `refused` is told of each
    call that is not admitted.
    """

    def __init__(
        self,
        holds: Holds,
        totals: Totals,
        prices: Prices,
        clock: Clock,
        telemetry: Telemetry,
        *,
        tenancy: Callable[[], Tenancy],
        book: Callable[[], BudgetBook | None],
        settings: GateSettings,
        refused: Callable[[Ask, Decision], None] | None = None,
    ) -> None:
        self._holds = holds
        self._totals = totals
        self._prices = prices
        self._clock = clock
        self._telemetry = telemetry
        self._tenancy = tenancy
        self._book = book
        self._settings = settings
        self._refused = refused
        self.copies = Copies(holds, tenancy)
        self.means = Means(totals, clock, telemetry, tenancy)
        self._settled = SettledTotals(totals, clock, telemetry, timeout_s=settings.ledger_timeout_s)
        self._lanes = Lanes(
            holds,
            call_requests_max=settings.call_requests_max,
            calls_max=settings.calls_max,
            waiting_max=settings.waiting_max,
        )
        self._loading: dict[tuple[str, tuple[str, ...]], asyncio.Future[bool]] = {}
        self._probing: dict[int, asyncio.Task[None]] = {}

    def price_by(self, prices: Prices) -> None:
        """Estimate by another price book from now on."""
        self._prices = prices

    async def hold(self, ask: Ask) -> Decision:
        """Reserve what the call may cost. Raises `GateOverloaded` where too many ask at once."""
        return (await self._decide(self._asked(ask, None, reserve=True))).decision

    async def check(self, ask: Ask) -> Decision:
        """Decide as `hold` would at this moment, and reserve nothing."""
        return (await self._decide(self._asked(ask, None, reserve=False))).decision

    async def lease(self, ask: LeaseAsk) -> tuple[Decision, Leased | None]:
        """Reserve a slice for many calls alike; None where nothing is reserved."""
        decision, plan, answer = await self._decide(self._asked(ask.call, ask, reserve=True))
        if decision.hold is None or plan is None or answer is None:
            return decision, None
        hold = decision.hold
        nanos, tokens, calls = (amount_in(plan, answer, unit) for unit in Unit)
        return decision, Leased(hold.id, nanos, tokens, calls, hold.expires_at, plan.price.unit_rates())

    async def extend(
        self, tenant: str, hold_id: str, *, ttl_ms: int | None, output_tokens: int | None, amount_nanos: int | None
    ) -> tuple[HoldState, Decision | None]:
        """Give an open hold a new life from now and, where a size is named, that whole size; None where it is not open.

        Raises `JournalUnavailable` where Valkey is away: a caller that cannot extend ends its call.
        """
        partition = self._tenancy().partition_of(tenant)
        found = await self._holds.find(partition, tenant, hold_id)
        context = None if found is None else unpacked(found.context)
        if found is None or context is None:
            return HoldState.UNKNOWN, None
        if found.state is not HoldState.OPEN:
            return found.state, None
        sized = output_tokens is not None or amount_nanos is not None
        ask = context.ask
        if sized:
            most = ask.max_output_tokens if output_tokens is None else output_tokens
            ask = replace(ask, max_output_tokens=most, min_output_tokens=None, amount_nanos=amount_nanos)
        copy, at = await self.copies.of(tenant), _instant(id_time_ms(hold_id) or 0)
        for _ in range(_ROUNDS_MAX):
            checks = [check for check in copy.matched_at(ask.attribution, at) if check.meter in found.amounts]
            # It runs already: a cheaper model is no way out any more.
            given_way = frozenset(check.budget.id for check in checks if check.budget.action is Action.DEGRADE)
            plan = self._plan(_Asked(ask, None, hold_id, at, True, yielded=given_way), checks)
            amounts = {asked.meter: asked for asked in plan.asked} if sized else {}
            state, answer = await self._holds.extend(
                partition, tenant, hold_id, ttl_ms=ttl_ms, amounts=amounts, versions=copy.versions
            )
            match answer.code:
                case HoldCode.STALE:
                    copy = await self.copies.reload(tenant, copy)
                case HoldCode.EXPIRING:
                    await self._holds.expire(partition, tenant)
                case HoldCode.INCOMPLETE | HoldCode.MISSING:
                    raise JournalUnavailable("holds cannot be extended while the counters are being restored")
                case HoldCode.SPENT | HoldCode.TOO_LARGE | HoldCode.BUSY | HoldCode.QUARANTINED:
                    return state, refused(tenant, plan, answer)
                case HoldCode.HELD | HoldCode.REPEATED:
                    return state, _extended(plan, answer, found) if state is HoldState.OPEN else None
                case _ as never:
                    assert_never(never)
        return HoldState.OPEN, busy("the budgets changed while this hold was extended", _AGAIN_MS)

    async def release(self, tenant: str, hold_id: str, keep_nanos: int | None) -> tuple[HoldState, HoldState]:
        """Release a hold of which nothing will be reported; of a lease, all but what its open parts may still cost.

        The states before and after: a lease of which something is kept stays open.
        """
        partition = self._tenancy().partition_of(tenant)
        keep: dict[str, int] = {}
        if keep_nanos is not None:
            found = await self._holds.find(partition, tenant, hold_id)
            keep = {} if found is None or not found.lease else _kept(found, keep_nanos)
        before = await self._holds.release(partition, tenant, hold_id, keep)
        released = before is HoldState.OPEN and not any(keep.values())
        return before, HoldState.RELEASED if released else before

    async def open_holds(self, tenant: str, count: int) -> list[tuple[HoldView, HoldContext | None]]:
        """The tenant's open holds by expiry, `count` at most."""
        await self.end_due(tenant)
        found = await self._holds.open_holds(self._tenancy().partition_of(tenant), tenant, count)
        return [(view, unpacked(view.context)) for view in found]

    async def end_due(self, tenant: str) -> None:
        """End holds whose time is over, as the tenant's next hold would: whoever looks must not see them held."""
        partition, ended = self._tenancy().partition_of(tenant), 0
        while await self._holds.expire(partition, tenant) and ended < _EXPIRING_MAX:
            ended += 1

    async def context(self, tenant: str, hold_id: str) -> HoldContext | None:
        """What a hold was made for, open or remembered."""
        found = await self._holds.find(self._tenancy().partition_of(tenant), tenant, hold_id)
        return None if found is None else unpacked(found.context)

    def _asked(self, ask: Ask, lease: LeaseAsk | None, *, reserve: bool) -> _Asked:
        now = self._clock.now()
        # To the millisecond, which is all of it that the id can carry.
        at = now.replace(microsecond=now.microsecond // 1000 * 1000)
        text = minted(int(at.timestamp() * 1000 + 0.5), os.urandom(10)).hex()
        hold_id = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        return _Asked(ask, lease, hold_id, at, reserve)

    async def _decide(self, asked: _Asked) -> _Answered:
        began = self._clock.monotonic()
        partition = self._tenancy().partition_of(asked.ask.tenant)
        answered = None
        if partition not in self._probing:
            try:
                answered = await self._from_counters(partition, asked)
            except JournalUnavailable as trouble:
                self._telemetry.record(StoreTrouble("valkey", "the gate answers without counters", str(trouble)))
                self._probe(partition)
        if answered is None:
            answered = _Answered(await self._without_counters(asked))
        decision = answered.decision
        verdict = decision.verdict.value if decision.fail is None else f"{decision.verdict.value}_{decision.fail.value}"
        self._telemetry.record(Decided(verdict, self._clock.monotonic() - began))
        if self._refused is not None and not decision.admits:
            self._refused(asked.ask, decision)
        return answered

    async def _from_counters(self, partition: int, asked: _Asked) -> _Answered | None:
        """The counters' decision; None where they are incomplete."""
        tenant = asked.ask.tenant
        copy = await self.copies.of(tenant)
        rounds = expiring = 0
        while rounds < _ROUNDS_MAX and expiring < _EXPIRING_MAX:
            checks = copy.matching(asked.ask.attribution, asked.at)
            usual = self._usual(asked.ask, checks)
            plan = self._plan(asked, checks, usual=usual)
            answer = await self._lanes.ask(partition, _request(asked, plan, copy.versions, usual))
            match answer.code:
                case HoldCode.HELD:
                    decision = admitted(tenant, plan, answer, model=asked.model, reserved=asked.reserve)
                    return _Answered(decision, plan, answer)
                case HoldCode.REPEATED:
                    return await self._repeated(partition, copy, answer, tenant)
                case HoldCode.INCOMPLETE:
                    return None
                case HoldCode.STALE:
                    copy = await self.copies.reload(tenant, copy)
                case HoldCode.EXPIRING:
                    expiring += 1
                    continue
                case HoldCode.MISSING:
                    if not await self._load(partition, tenant, [plan.checks[index] for index in answer.missing]):
                        return None
                case HoldCode.SPENT | HoldCode.TOO_LARGE | HoldCode.BUSY:
                    cheaper = cheaper_model(plan, answer)
                    if cheaper is None:
                        return _Answered(refused(tenant, plan, answer), plan, answer)
                    asked = asked.on(cheaper)
                case HoldCode.QUARANTINED:
                    return _Answered(refused(tenant, plan, answer), plan, answer)
                case _ as never:
                    assert_never(never)
            rounds += 1
        return _Answered(busy("the budgets changed while this call was decided", _AGAIN_MS))

    def _usual(self, ask: Ask, checks: list[Check]) -> int | None:
        if all(check.budget.mode_for(ask.mode) is Mode.STRICT for check in checks):
            return None
        return self.means.output_tokens(ask.tenant, ask.agent, ask.model)

    def _plan(self, asked: _Asked, checks: list[Check], *, usual: int | None = None) -> Plan:
        ask = asked.ask
        sizes = sizes_of(ask, step_tokens=self._settings.step_tokens, usual=usual)
        ends = asked.at + timedelta(milliseconds=ask.ttl_ms)
        price = CallPrice(
            self._rates(ask, asked.at),
            self._rates(ask, ends),
        )
        if asked.lease is not None:
            return plan_lease(asked.lease, sizes, price, checks, asked.yielded)
        return plan_call(ask, sizes, price, checks, asked.yielded)

    def _rates(self, ask: Ask, at: datetime) -> TokenRates:
        return self._prices.rates(ask.provider, ask.model, ask.service_tier, at, tenant=ask.tenant, context=ask.context)

    async def _repeated(self, partition: int, copy: TenantBudgets, answer: HoldAnswer, tenant: str) -> _Answered:
        """The answer of the first time: what was asked and held then, in the windows of then."""
        found = await self._holds.find(partition, tenant, answer.hold_id)
        context = None if found is None else unpacked(found.context)
        if found is None or context is None:
            return _Answered(busy("the hold of this id is just being forgotten", _AGAIN_MS))
        at = _instant(id_time_ms(answer.hold_id) or 0)
        first = _Asked(context.ask, None, answer.hold_id, at, True, context.degraded_to)
        checks = [one for one in copy.matched_at(context.ask.attribution, at) if one.meter in found.amounts]
        plan = self._plan(first, checks, usual=context.usual)._replace(lease=context.lease)
        held = answer._replace(amounts=tuple(found.amounts[check.meter] for check in plan.checks), views=())
        decision = admitted(tenant, plan, held, model=context.degraded_to, reserved=True)
        return _Answered(decision, plan, held)

    async def _load(self, partition: int, tenant: str, checks: list[Check]) -> bool:
        """Bring totals of runs that the counters no longer have; False where the ledger is away.

        A run's first calls come together: they share one load.
        """
        key = (tenant, tuple(check.meter for check in checks))
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = asyncio.ensure_future(self._loaded(partition, tenant, key[1]))
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)

    async def _loaded(self, partition: int, tenant: str, meters: tuple[str, ...]) -> bool:
        try:
            async with asyncio.timeout(self._settings.ledger_timeout_s):
                found = await self._totals.meter_totals(partition, tenant, meters)
        except (StoreError, TimeoutError) as trouble:
            self._telemetry.record(StoreTrouble("postgres", "the gate cannot load a run", str(trouble)))
            return False
        totals = {meter: found.totals.get(meter, 0) for meter in meters}
        # Where the counters have passed this version meanwhile they say so, and the next round reads again.
        epoch, version = found.ledger_epoch, found.version
        await self._holds.load(partition, tenant, totals, ledger_epoch=epoch, version=version)
        return True

    async def _without_counters(self, asked: _Asked) -> Decision:
        tenant, tenancy = asked.ask.tenant, self._tenancy()
        book = self._book()
        copy = self.copies.known(tenant)
        if book is not None:
            copy = TenantBudgets(tenant, BudgetsCopy((), 0, book.listed(tenant), 0), tenancy)
        if copy is None:
            return unknown_tenant(asked.ask, self._settings.unknown)
        checks = copy.matching(asked.ask.attribution, asked.at)
        plan = self._plan(asked, checks, usual=self._usual(asked.ask, checks))
        return await decide_from_ledger(tenancy.partition_of(tenant), plan, self._settled)

    def _probe(self, partition: int) -> None:
        if partition not in self._probing:
            self._probing[partition] = asyncio.create_task(self._until_back(partition), name="gate-probe")

    async def _until_back(self, partition: int) -> None:
        """Ask until the counters answer: a hung Valkey costs this task its time-outs, not each caller one."""
        try:
            while True:
                await self._clock.pause(self._settings.probe_s)
                try:
                    await self._holds.budgets(partition, "")
                except JournalUnavailable:
                    continue
                return
        finally:
            del self._probing[partition]


def _request(asked: _Asked, plan: Plan, versions: tuple[int, int], usual: int | None) -> HoldRequest:
    ask, lease = asked.ask, asked.lease is not None
    context = HoldContext(ask=ask, degraded_to=asked.model, usual=usual, lease=lease)
    return HoldRequest(
        tenant=ask.tenant,
        hold_id=asked.hold_id,
        caller_id=ask.caller_id,
        versions=versions,
        checks=plan.asked,
        ttl_ms=min(ask.ttl_ms, TTL_MS_MAX),
        context=packed(context) if asked.reserve else b"",
        lease=lease,
        lease_share=LEASE_SHARE if lease else 1,
        reserve=asked.reserve,
    )


def _extended(plan: Plan, answer: HoldAnswer, found: HoldView) -> Decision:
    # Where only the life was asked for, what it holds is as it was.
    changed = zip(plan.checks, answer.amounts, strict=True) if answer.amounts else ()
    meters = {**found.amounts, **{check.meter: amount for check, amount in changed}}
    nanos = max((meters[name] for name in meters if unit_of(name) is Unit.USD), default=plan.upper_nanos)
    return Decision(verdict=Verdict.ALLOW, hold=Held(found.hold_id, nanos, _instant(answer.expires_ms)))


def _kept(found: HoldView, keep_nanos: int) -> dict[str, int]:
    """What stays held of a lease: its dollars as said, other units in the same proportion, rounded up."""
    held = max((found.amounts[name] for name in found.amounts if unit_of(name) is Unit.USD), default=0)
    if held == 0:
        return dict(found.amounts)
    return {
        meter: min(amount, keep_nanos) if unit_of(meter) is Unit.USD else min(amount, -(-amount * keep_nanos // held))
        for meter, amount in found.amounts.items()
    }


def _instant(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
