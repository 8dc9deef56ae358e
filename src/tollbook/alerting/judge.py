"""Which alerts a settled total gives rise to: pure functions of the total, its budget and what is known of before."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from tollbook.domain.alert import (
    Alert,
    AlertKind,
    ClearedBy,
    Facts,
    Spent,
    Throttle,
    amount_fact,
    amount_text,
    crossing_of,
    threshold_amount,
)
from tollbook.domain.budget import Budget
from tollbook.domain.meter import ScopeKind, Unit
from tollbook.domain.money import usd_text
from tollbook.ports.alerts import Differing


class Candidate(NamedTuple):
    """An alert, unless one of its crossing stands already with a mark of at least `unless`."""

    alert: Alert
    unless: int


def thresholds(spent: Spent) -> list[Candidate]:
    """The thresholds that the total has reached, lowest first."""
    budget = spent.budget
    if budget is None:
        return []
    found = []
    for percent in sorted(set(budget.thresholds)):
        needed = threshold_amount(budget.limit, percent)
        if spent.total >= needed:
            name = (spent.tenant, budget.tenant or "", budget.id, spent.meter, str(percent))
            alert = Alert(
                kind=AlertKind.THRESHOLD,
                tenant=spent.tenant,
                crossing=crossing_of(AlertKind.THRESHOLD, *name),
                mark=spent.total,
                text=f"{_subject(spent)} reached {percent} % of its {_limit(spent, budget)}: "
                f"{amount_text(spent.total, budget.unit)} are spent",
                facts={**_facts(spent, budget), "threshold": percent},
            )
            found.append(Candidate(alert, needed))
    return found


def burn(spent: Spent, seconds_left: int) -> Candidate | None:
    """The alert of a pace at which the limit is reached in so many seconds."""
    budget = spent.budget
    if budget is None:
        return None
    minutes = max(1, -(-seconds_left // 60))
    alert = Alert(
        kind=AlertKind.BURN_RATE,
        tenant=spent.tenant,
        crossing=crossing_of(AlertKind.BURN_RATE, spent.tenant, budget.tenant or "", budget.id, spent.meter),
        mark=budget.limit,
        text=f"at this pace {_subject(spent)} reaches its {_limit(spent, budget)} in {minutes} minutes: "
        f"{amount_text(spent.total, budget.unit)} are spent",
        facts={**_facts(spent, budget), "minutes_left": minutes},
    )
    return Candidate(alert, budget.limit)


class Turned(NamedTuple):
    """A throttle's state after it changed, or after it was looked at, and the alert of a change."""

    throttle: Throttle
    alert: Alert | None


def throttled(spent: Spent, before: Throttle | None, now: datetime) -> Turned | None:
    """What becomes of the throttle of a meter; None where there is none and none begins."""
    budget = spent.budget
    in_force = (
        budget is not None
        and budget.refuses
        and (budget.expires_at is None or now < budget.expires_at)
        and spent.total >= budget.limit
        and spent.open_at(now)
    )
    if in_force and budget is not None:
        return _set(spent, before, budget)
    if before is None or not before.engaged:
        return None
    return _cleared(spent, before, now)


def _set(spent: Spent, before: Throttle | None, budget: Budget) -> Turned | None:
    changes = 0 if before is None else before.changes
    ends = [at for at in (spent.window.end, budget.expires_at) if at is not None]
    state = Throttle(spent.tenant, spent.meter, True, changes, budget.id, budget.limit, min(ends) if ends else None)
    if before is not None and before.engaged:
        return None if before == state else Turned(state, None)
    alert = Alert(
        kind=AlertKind.THROTTLE_SET,
        tenant=spent.tenant,
        crossing=crossing_of(AlertKind.THROTTLE_SET, spent.tenant, spent.meter),
        mark=changes + 1,
        text=f"{_subject(spent)} is throttled: {amount_text(spent.total, budget.unit)} of its "
        f"{_limit(spent, budget)} are spent",
        facts=_facts(spent, budget),
    )
    return Turned(msgspec.structs.replace(state, changes=changes + 1), alert)


def _cleared(spent: Spent, before: Throttle, now: datetime) -> Turned:
    budget, changes = spent.budget, before.changes + 1
    why = _why_cleared(spent, before, now)
    said = {
        ClearedBy.WINDOW_ENDED: "its window has ended",
        ClearedBy.BUDGET_CHANGED: "its budget was changed",
        ClearedBy.BUDGET_REMOVED: "its budget has gone",
        ClearedBy.TOTAL_CORRECTED: "what it spent was corrected",
    }[why]
    named = _scope_facts(spent) if budget is None else _facts(spent, budget)
    alert = Alert(
        kind=AlertKind.THROTTLE_CLEARED,
        tenant=spent.tenant,
        crossing=crossing_of(AlertKind.THROTTLE_CLEARED, spent.tenant, spent.meter),
        mark=changes,
        text=f"{_subject(spent)} is throttled no more: {said}",
        facts={**named, "reason": why.value},
    )
    state = msgspec.structs.replace(before, engaged=False, changes=changes, ends_at=spent.window.end)
    return Turned(state, alert)


def _why_cleared(spent: Spent, before: Throttle, now: datetime) -> ClearedBy:
    budget = spent.budget
    if not spent.open_at(now):
        return ClearedBy.WINDOW_ENDED
    if budget is None or (budget.expires_at is not None and budget.expires_at <= now):
        return ClearedBy.BUDGET_REMOVED
    if not budget.refuses or (budget.id, budget.limit) != (before.budget_id, before.limit):
        return ClearedBy.BUDGET_CHANGED
    return ClearedBy.TOTAL_CORRECTED


def unpriced(tenant: str, day: str, model: str) -> Candidate:
    """The alert of a model without a price, in a tenant's day."""
    alert = Alert(
        kind=AlertKind.UNPRICED,
        tenant=tenant,
        crossing=crossing_of(AlertKind.UNPRICED, tenant, day, model),
        mark=0,
        text=f"{tenant} calls {model}, which has no price: it is billed at the ceiling",
        facts={"tenant": tenant, "model": model, "day": day},
    )
    return Candidate(alert, 0)


def differs(found: Differing) -> Candidate:
    """The alert of a model whose senders name another cost than the price book, in a tenant's day."""
    reported, cost = amount_text(found.reported_nanos, Unit.USD), amount_text(found.cost_nanos, Unit.USD)
    day = found.day.isoformat()
    alert = Alert(
        kind=AlertKind.PRICE_DIFFERS,
        tenant=found.tenant,
        crossing=crossing_of(AlertKind.PRICE_DIFFERS, found.tenant, day, found.model),
        mark=0,
        text=f"{found.tenant} calls {found.model}, and senders name other costs than the price book: "
        f"{reported} reported and {cost} booked for {found.calls:,} calls",
        facts={
            "tenant": found.tenant,
            "model": found.model,
            "day": day,
            "calls": found.calls,
            "reported_usd": usd_text(found.reported_nanos),
            "cost_usd": usd_text(found.cost_nanos),
        },
    )
    return Candidate(alert, 0)


def book_refused(digest: str, why: str, day: str) -> Alert:
    """The alert of a price book that does not come into force, once a day; `digest` is empty where none was made."""
    return Alert(
        kind=AlertKind.BOOK_REFUSED,
        tenant="",
        crossing=crossing_of(AlertKind.BOOK_REFUSED, digest or why, day),
        mark=0,
        text=f"new prices are not in force: {why}",
        facts={"digest": digest, "reason": why, "day": day},
    )


def _subject(spent: Spent) -> str:
    if spent.parts.scope is ScopeKind.TENANT:
        return spent.tenant
    return f"{spent.parts.scope.value} {spent.parts.value} of {spent.tenant}"


def _limit(spent: Spent, budget: Budget) -> str:
    return f"{amount_text(budget.limit, budget.unit)} a {spent.parts.kind.value}"


def _scope_facts(spent: Spent) -> Facts:
    return {
        "tenant": spent.tenant,
        "scope": spent.parts.scope.value,
        "value": spent.parts.value,
        "window": spent.window.name,
        "unit": spent.parts.unit.value,
        "spent": amount_fact(spent.total, spent.parts.unit),
        "reset_at": None if spent.window.end is None else _time_text(spent.window.end),
        "budget": None,
    }


def _facts(spent: Spent, budget: Budget) -> Facts:
    return {
        **_scope_facts(spent),
        "budget": {
            "id": budget.id,
            "tenant": budget.tenant,
            "scope": budget.scope.value,
            "match": budget.match,
            "window": budget.window.value,
            "unit": budget.unit.value,
            "limit": amount_fact(budget.limit, budget.unit),
            "action": budget.action.value,
        },
    }


def _time_text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
