"""From what the counters answered to the decision that a caller gets, with the facts to act on it."""

from datetime import UTC, datetime

from tollbook.domain.budget import Check, Fail
from tollbook.domain.decision import BudgetFacts, Decision, Held, Verdict
from tollbook.domain.meter import ScopeKind, Unit
from tollbook.domain.money import usd_text
from tollbook.enforcement.plans import Plan, granted_output
from tollbook.ports.holds import HoldAnswer, HoldCode, MeterView

BUSY_MS_MIN, BUSY_MS_MAX = 50, 1_000
"""Holds mostly settle long before they expire, so a caller looks again soon; a full minute helps nobody."""
QUARANTINE_MS_MAX = 60_000
_NOTHING = MeterView(0, 0)


def admitted(tenant: str, plan: Plan, answer: HoldAnswer, *, model: str | None, reserved: bool) -> Decision:
    """The call may be made. `model`: a cheaper one than was asked for."""
    granted = granted_output(plan, answer)
    degraded = model is not None or (granted is not None and granted < plan.sizes.most)
    hold = None
    if reserved:
        hold = Held(answer.hold_id, held_nanos(plan, answer), datetime.fromtimestamp(answer.expires_ms / 1000, UTC))
    return Decision(
        verdict=Verdict.ALLOW_DEGRADED if degraded else Verdict.ALLOW,
        detail=_granted_text(model, granted) if degraded else "",
        hold=hold,
        granted_max_output_tokens=granted,
        model=model,
        budget=tightest(tenant, plan, answer, reserved=reserved),
    )


def refused(tenant: str, plan: Plan, answer: HoldAnswer) -> Decision:
    """The call may not be made: a budget is spent, or holds are in its way."""
    facts = _decided(tenant, plan, answer)
    named = "a budget" if facts is None else f"budget {facts.id!r}"
    if answer.code is HoldCode.BUSY:
        retry_ms = min(max(answer.wait_ms, BUSY_MS_MIN), BUSY_MS_MAX)
        return busy(f"{named}: calls in flight hold what is left{_state(facts)}", retry_ms, facts)
    if answer.code is HoldCode.QUARANTINED:
        retry_ms = min(max(answer.wait_ms, BUSY_MS_MIN), QUARANTINE_MS_MAX)
        return busy("counters were restored; holds from before may still be open", retry_ms, facts)
    said = "is spent" if answer.code is HoldCode.SPENT else "has less left than this call needs"
    return Decision(verdict=Verdict.SPENT, detail=f"{named} {said}{_state(facts)}", budget=facts)


def busy(detail: str, retry_ms: int, facts: BudgetFacts | None = None) -> Decision:
    """Come back in `retry_ms`."""
    return Decision(verdict=Verdict.BUSY, detail=detail, budget=facts, retry_ms=retry_ms)


def unsure(fail: Fail, detail: str, facts: BudgetFacts | None = None) -> Decision:
    """Nobody can tell; `fail` says what holds meanwhile."""
    return Decision(verdict=Verdict.UNSURE, detail=detail, budget=facts, fail=fail)


def facts_of(tenant: str, check: Check, view: MeterView) -> BudgetFacts:
    """A budget with what its meter shows."""
    budget, meter, window = check
    return BudgetFacts(
        id=budget.id,
        tenant=tenant,
        scope=budget.scope,
        match="" if budget.scope is ScopeKind.TENANT else meter.split("|", 3)[3],
        window=budget.window,
        unit=budget.unit,
        limit=budget.limit,
        spent=view.spent,
        held=view.held,
        reset_at=window.end,
    )


def held_nanos(plan: Plan, answer: HoldAnswer) -> int:
    """What a hold holds in dollars: the most of any budget, or the quote where none counts dollars."""
    amounts = [
        amount for check, amount in zip(plan.checks, answer.amounts, strict=True) if check.budget.unit is Unit.USD
    ]
    return max(amounts, default=plan.upper_nanos)


def tightest(tenant: str, plan: Plan, answer: HoldAnswer, *, reserved: bool) -> BudgetFacts | None:
    """Of the budgets that limit the call the one with the smallest part left, this hold included."""
    least: tuple[int, int] | None = None
    for index, asked in enumerate(plan.asked):
        if asked.limit is None or index >= len(answer.views):
            continue
        view = answer.views[index]
        left = asked.limit - view.spent - view.held - _own(answer, index, reserved=reserved)
        part = left * 1_000_000 // max(asked.limit, 1)
        if least is None or part < least[0]:
            least = (part, index)
    if least is None:
        return None
    index = least[1]
    view = answer.views[index]
    held = view.held + _own(answer, index, reserved=reserved)
    return facts_of(tenant, plan.checks[index], MeterView(view.spent, held))


def _own(answer: HoldAnswer, index: int, *, reserved: bool) -> int:
    """What this hold has just added. A repeat found its own hold among the held already."""
    return answer.amounts[index] if reserved and answer.code is HoldCode.HELD else 0


def _decided(tenant: str, plan: Plan, answer: HoldAnswer) -> BudgetFacts | None:
    index = answer.decided
    if not 0 <= index < len(plan.checks):
        return None
    return facts_of(tenant, plan.checks[index], answer.views[index] if index < len(answer.views) else _NOTHING)


def amount_text(unit: Unit, amount: int) -> str:
    """An amount as answers show it: dollars with nine places, tokens and calls as whole numbers."""
    return usd_text(amount) if unit is Unit.USD else str(amount)


def _state(facts: BudgetFacts | None) -> str:
    if facts is None:
        return ""
    spent, held, limit = (amount_text(facts.unit, amount) for amount in (facts.spent, facts.held, facts.limit))
    until = "" if facts.reset_at is None else f", until {facts.reset_at:%Y-%m-%dT%H:%M:%SZ}"
    return f": {spent} spent and {held} held of {limit} {facts.unit.value}{until}"


def _granted_text(model: str | None, granted: int | None) -> str:
    parts = [] if model is None else [f"on {model}"]
    if granted is not None:
        parts.append(f"with {granted} output tokens at most")
    return ", ".join(parts)
