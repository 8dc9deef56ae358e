"""The gate's answers while the counters cannot be asked: from settled totals, or by each budget's own `fail`."""

import asyncio
from collections.abc import Mapping, Sequence

from tollbook.domain.budget import Check, Fail, Mode
from tollbook.domain.decision import Decision, Verdict
from tollbook.domain.errors import StoreError
from tollbook.enforcement.asks import Ask
from tollbook.enforcement.plans import Plan
from tollbook.enforcement.views import facts_of, unsure
from tollbook.ports.clock import Clock
from tollbook.ports.holds import HoldCheck, MeterView
from tollbook.ports.totals import Totals
from tollbook.telemetry import StoreTrouble, Telemetry

_KEPT_S = 1.0
_TENANTS_MAX = 10_000
_RETRIED_S = 0.5
"""After Postgres failed to answer nobody waits for it again for so long."""


class SettledTotals:
    """Totals of meters as the ledger has them, up to a second old: thousands of calls must not each ask."""

    def __init__(self, totals: Totals, clock: Clock, telemetry: Telemetry, *, timeout_s: float) -> None:
        self._totals = totals
        self._clock = clock
        self._telemetry = telemetry
        self._timeout_s = timeout_s
        self._known: dict[str, tuple[float, frozenset[str], Mapping[str, int]]] = {}
        self._away_until = float("-inf")

    async def of(self, partition: int, tenant: str, meters: Sequence[str]) -> Mapping[str, int] | None:
        """The totals, or None where Postgres is away too."""
        now = self._clock.monotonic()
        read_at, asked, known = self._known.get(tenant, (float("-inf"), frozenset[str](), {}))
        if now - read_at <= _KEPT_S and asked.issuperset(meters):
            return known
        if now < self._away_until:
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                found = (await self._totals.meter_totals(partition, tenant, meters)).totals
        except (StoreError, TimeoutError) as trouble:
            self._trouble(trouble)
            return None
        if len(self._known) >= _TENANTS_MAX:
            self._known.clear()
        self._known[tenant] = (now, frozenset(meters), found)
        return found

    def _trouble(self, trouble: Exception) -> None:
        self._away_until = self._clock.monotonic() + _RETRIED_S
        self._telemetry.record(StoreTrouble("postgres", "the gate answers by what each budget says", str(trouble)))


async def decide_from_ledger(partition: int, plan: Plan, totals: SettledTotals) -> Decision:
    """Decide by what is settled. What waits in the journal and what others hold is not known: strict stays unsure."""
    limiting = [(check, asked) for check, asked in zip(plan.checks, plan.asked, strict=True) if asked.limit is not None]
    tenant, mode = plan.ask.tenant, plan.ask.mode
    settled = await totals.of(partition, tenant, [check.meter for check, _ in limiting])
    if settled is None:
        return _by_fail(tenant, [check for check, _ in limiting], mode)
    spent = _spent(tenant, limiting, settled, mode)
    if spent is not None:
        return spent
    strict = [check for check, _ in limiting if check.budget.mode_for(mode) is Mode.STRICT]
    if strict:
        return _by_fail(tenant, strict, mode, settled)
    first = facts_of(tenant, limiting[0][0], _view(limiting[0][0], settled)) if limiting else None
    return Decision(verdict=Verdict.ALLOW, detail="from settled totals: the counters are away", budget=first)


def _spent(
    tenant: str, limiting: Sequence[tuple[Check, HoldCheck]], settled: Mapping[str, int], mode: Mode | None
) -> Decision | None:
    for check, asked in limiting:
        have, limit = settled.get(check.meter, 0), check.budget.limit
        counted = asked.least if check.budget.mode_for(mode) is Mode.EXPECTED else 0
        if have >= limit or have + counted > limit:
            facts = facts_of(tenant, check, _view(check, settled))
            return Decision(verdict=Verdict.SPENT, detail=f"budget {check.budget.id!r} is spent", budget=facts)
    return None


def _by_fail(
    tenant: str, checks: Sequence[Check], mode: Mode | None, settled: Mapping[str, int] | None = None
) -> Decision:
    known: Mapping[str, int] = settled or {}
    for check in checks:
        if check.budget.fails(mode) is Fail.CLOSED:
            facts = facts_of(tenant, check, _view(check, known))
            return unsure(Fail.CLOSED, f"budget {check.budget.id!r} fails closed while the counters are away", facts)
    if not checks:
        return Decision(verdict=Verdict.ALLOW, detail="no budget limits this call; the counters are away")
    facts = facts_of(tenant, checks[0], _view(checks[0], known))
    return unsure(Fail.OPEN, "every budget of this call fails open while the counters are away", facts)


def _view(check: Check, settled: Mapping[str, int]) -> MeterView:
    return MeterView(settled.get(check.meter, 0), 0)


def unknown_tenant(ask: Ask, fail: Fail) -> Decision:
    """Both stores are away and nothing is known of the tenant."""
    return unsure(fail, f"both stores are away and the budgets of {ask.tenant!r} are not known here")
