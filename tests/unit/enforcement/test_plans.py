"""From a call to what each budget is asked to hold, and back to what was granted."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.domain.budget import Action, Budget, Check, Mode
from tollbook.domain.decision import Verdict
from tollbook.domain.meter import ScopeKind, Unit, Window, WindowKind
from tollbook.enforcement.asks import Ask, HoldContext, LeaseAsk, packed, unpacked
from tollbook.enforcement.estimates import CallPrice
from tollbook.enforcement.plans import Plan, cheaper_model, granted_output, plan_call, plan_lease, sizes_of
from tollbook.enforcement.views import admitted, refused
from tollbook.ports.holds import HoldAnswer, HoldCode, MeterView
from tollbook.pricing.quote import CountRates, TokenRates

PRICE = CallPrice(*[TokenRates(7, 0, 1, CountRates(0, 10, 100, 0, 0, 0, 0))] * 2)
DAY = Window("day:2026-11-20", datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
ASK = Ask(tenant="acme", agent="planner", model="m-1", input_tokens=100, max_output_tokens=50)


def check(limit: int = 1_000_000, unit: Unit = Unit.USD, **more: object) -> Check:
    """A budget of a scope of its own, by its id."""
    fields = {"id": "b", "scope": ScopeKind.AGENT, "window": WindowKind.DAY, "unit": unit, "limit": limit, **more}
    budget = Budget(**fields)
    return Check(budget, f"{unit.value}|day:2026-11-20|agent|{budget.id}", DAY)


def plan_of(*checks: Check, ask: Ask = ASK, usual: int | None = None, yielded: tuple[str, ...] = ()) -> Plan:
    return plan_call(ask, sizes_of(ask, step_tokens=1_024, usual=usual), PRICE, checks, yielded)


def answer(plan: Plan, *amounts: int, code: HoldCode = HoldCode.HELD, decided: int = -1, spent: int = 0) -> HoldAnswer:
    views = tuple(MeterView(spent, 0) for _ in plan.checks)
    return HoldAnswer(code, "019", 1_800_000_000_000, decided, amounts, views, 0)


def ask(**more: object) -> Ask:
    fields = {"tenant": "acme", "agent": "planner", "model": "m-1", "input_tokens": 100, **more}
    return Ask(**fields)


def test_strict_is_charged_the_upper_bound_and_expected_what_is_usual() -> None:
    plan = plan_of(check(id="s", mode=Mode.STRICT), check(id="e", mode=Mode.EXPECTED), usual=20)
    assert [asked.most for asked in plan.asked] == [100 * 10 + 50 * 100, 100 * 10 + 20 * 100]
    assert [asked.strict for asked in plan.asked] == [True, False]


def test_what_the_call_asks_counts_where_the_budget_does_not_say() -> None:
    asked = ask(max_output_tokens=50, mode=Mode.EXPECTED)
    (only,) = plan_of(check(), ask=asked, usual=20).asked
    assert (only.most, only.strict) == (3_000, False)


def test_without_a_history_expected_is_charged_the_upper_bound() -> None:
    (only,) = plan_of(check(mode=Mode.EXPECTED)).asked
    assert only.most == 6_000


def test_without_max_output_tokens_a_step_is_held_and_told() -> None:
    plan = plan_of(check(), ask=ask())
    assert plan.asked[0].most == 1_000 + 1_024 * 100
    assert granted_output(plan, answer(plan, plan.asked[0].most)) == 1_024


def test_each_unit_counts_its_own() -> None:
    plan = plan_of(check(unit=Unit.TOKENS), check(unit=Unit.CALLS))
    assert [(asked.least, asked.most) for asked in plan.asked] == [(150, 150), (1, 1)]


def test_an_amount_replaces_the_quote_and_leaves_tokens_alone() -> None:
    asked = ask(amount_nanos=42, max_output_tokens=50, min_output_tokens=1)
    plan = plan_of(check(), check(unit=Unit.TOKENS), ask=asked)
    assert [(one.least, one.most) for one in plan.asked] == [(42, 42), (101, 150)]


def test_notify_counts_and_never_limits() -> None:
    (only,) = plan_of(check(limit=0, action=Action.NOTIFY)).asked
    assert (only.limit, only.strict, only.most) == (None, False, 6_000)


def test_a_budget_that_degrades_stands_first_until_it_has_given_way() -> None:
    checks = (check(id="block"), check(id="cheap", action=Action.DEGRADE, degrade_to="m-0", limit=10))
    plan = plan_of(*checks)
    assert [one.budget.id for one in plan.checks] == ["cheap", "block"]
    over = answer(plan, code=HoldCode.TOO_LARGE, decided=0)
    found = cheaper_model(plan, over)
    assert found is not None
    assert found.id == "cheap"
    after = plan_of(*checks, yielded=("cheap",))
    assert after.asked[0].limit is None
    assert cheaper_model(after, answer(after, code=HoldCode.SPENT, decided=1)) is None


def test_a_cheaper_model_is_tried_where_another_budget_refused_first() -> None:
    plan = plan_of(check(id="block"), check(id="cheap", action=Action.DEGRADE, degrade_to="m-0", limit=10))
    assert cheaper_model(plan, answer(plan, code=HoldCode.SPENT, decided=1)) is not None


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 30_000))
def test_less_is_granted_only_within_what_is_held(least: int, more: int, room: int) -> None:
    asked = ask(max_output_tokens=least + more, min_output_tokens=least)
    plan = plan_of(check(limit=room), check(id="t", unit=Unit.TOKENS), ask=asked)
    usd, tokens = plan.asked
    if not usd.least <= room < usd.most:
        return
    granted = granted_output(plan, answer(plan, room, tokens.most))
    assert granted is not None
    assert least <= granted <= least + more
    assert PRICE.upper_nanos(100, granted) <= room


def test_the_tightest_of_dollars_and_tokens_grants() -> None:
    asked = ask(max_output_tokens=50, min_output_tokens=1)
    plan = plan_of(check(), check(id="t", unit=Unit.TOKENS), ask=asked)
    assert granted_output(plan, answer(plan, 1_000 + 30 * 100 + 99, 100 + 20)) == 20
    assert granted_output(plan, answer(plan, 1_000 + 10 * 100 + 99, 100 + 20)) == 10
    assert granted_output(plan, answer(plan, 6_000, 150)) is None


def test_a_lease_asks_for_one_call_at_least_and_its_slice_at_most() -> None:
    sizes = sizes_of(ASK, step_tokens=1_024, usual=None)
    checks = (check(), check(id="t", unit=Unit.TOKENS), check(id="c", unit=Unit.CALLS))
    plan = plan_lease(LeaseAsk(call=ASK, slice_nanos=1_000_000, calls=8), sizes, PRICE, checks, ())
    assert [(one.least, one.most) for one in plan.asked] == [(6_000, 1_000_000), (150, 1_200), (1, 8)]
    unsaid = plan_lease(LeaseAsk(call=ASK, slice_nanos=None, calls=8), sizes, PRICE, checks, ())
    assert unsaid.asked[0].most == 48_000
    assert granted_output(unsaid, answer(unsaid, 7_000, 150, 1)) is None


def test_the_tightest_budget_is_told_with_the_hold_in_it() -> None:
    plan = plan_of(check(id="wide"), check(id="tight", limit=7_000))
    decision = admitted("acme", plan, answer(plan, 6_000, 6_000), model=None, reserved=True)
    assert decision.verdict is Verdict.ALLOW
    assert decision.budget is not None
    assert (decision.budget.id, decision.budget.held, decision.budget.match) == ("tight", 6_000, "tight")
    assert decision.hold is not None
    assert decision.hold.amount_nanos == 6_000


def test_a_cheaper_model_or_fewer_tokens_are_told_as_degraded() -> None:
    plan = plan_of(check(), ask=ask(max_output_tokens=50, min_output_tokens=1))
    less = admitted("acme", plan, answer(plan, 2_000), model=None, reserved=True)
    assert (less.verdict, less.granted_max_output_tokens) == (Verdict.ALLOW_DEGRADED, 10)
    cheaper = admitted("acme", plan, answer(plan, 6_000), model="m-0", reserved=True)
    assert (cheaper.verdict, cheaper.model) == (Verdict.ALLOW_DEGRADED, "m-0")


@pytest.mark.parametrize(("wait_ms", "retry_ms"), [(0, 50), (300, 300), (59_000, 1_000)])
def test_busy_says_when_to_come_back(wait_ms: int, retry_ms: int) -> None:
    plan = plan_of(check())
    decision = refused("acme", plan, answer(plan, code=HoldCode.BUSY, decided=0)._replace(wait_ms=wait_ms))
    assert (decision.verdict, decision.retry_ms) == (Verdict.BUSY, retry_ms)


@pytest.mark.parametrize(("wait_ms", "retry_ms"), [(0, 50), (600_000, 60_000)])
def test_a_quarantine_is_busy_for_a_minute_at_most(wait_ms: int, retry_ms: int) -> None:
    plan = plan_of(check())
    decision = refused("acme", plan, answer(plan, code=HoldCode.QUARANTINED, decided=0)._replace(wait_ms=wait_ms))
    assert (decision.verdict, decision.retry_ms) == (Verdict.BUSY, retry_ms)


@pytest.mark.parametrize("code", [HoldCode.SPENT, HoldCode.TOO_LARGE])
def test_spent_names_the_budget_and_no_time_to_retry(code: HoldCode) -> None:
    plan = plan_of(check(limit=5))
    decision = refused("acme", plan, answer(plan, code=code, decided=0, spent=4))
    assert (decision.verdict, decision.retry_ms) == (Verdict.SPENT, None)
    assert decision.budget is not None
    assert (decision.budget.id, decision.budget.spent, decision.budget.limit) == ("b", 4, 5)
    assert decision.budget.reset_at == DAY.end


def test_a_context_comes_back_as_it_was_kept() -> None:
    context = HoldContext(ask=ask(tags={"team": "a"}, run="r1", mode=Mode.EXPECTED), degraded_to="m-0", usual=3)
    assert unpacked(packed(context)) == context
    assert unpacked(b"") is None
