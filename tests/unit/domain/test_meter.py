"""Meters are named by what they count, and budgets find the calls they are for."""

from datetime import UTC, datetime

import pytest

from tollbook.domain.budget import Budget, BudgetSet
from tollbook.domain.meter import Attribution, ScopeKind, Unit, WindowKind, meter_name, window_of
from tollbook.domain.window import calendar_of

CALL = Attribution("planner/researcher#7/fetch", "gpt-5", "r1", {"team": "blue"})
AT = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)


def windows(zone="UTC", at=AT, run="r1"):
    calendar = calendar_of(zone)
    day = calendar.window_at(at)
    return {kind: window_of(kind, at, day, calendar, run) for kind in WindowKind}


def budget(**changed):
    fields = {"id": "b", "scope": ScopeKind.TENANT, "window": WindowKind.DAY, "unit": Unit.USD, "limit": 1}
    return Budget(**(fields | changed))


def meters(*budgets, call=CALL, at=AT):
    found = BudgetSet(budgets).matching(call, windows(at=at, run=call.run), at)
    return [check.meter for check in found]


def test_a_call_counts_at_each_ancestor_of_its_agent_and_of_its_instance():
    found = set(CALL.scopes())
    assert {v for k, v in found if k == "agent"} == {"planner", "planner/researcher", "planner/researcher/fetch"}
    assert {v for k, v in found if k == "instance"} == {
        "r1/planner",
        "r1/planner/researcher#7",
        "r1/planner/researcher#7/fetch",
    }


def test_the_tenants_day_in_dollars_keeps_its_name_in_the_journal():
    assert meters(budget()) == ["day:2026-11-23"]
    assert meters(budget(unit=Unit.CALLS)) == ["calls|day:2026-11-23|tenant|"]


@pytest.mark.parametrize(
    ("zone", "kind", "name", "start", "end"),
    [
        ("Asia/Kolkata", WindowKind.HOUR, "hour:2026-11-23+16", "2026-11-23T10:30", "2026-11-23T11:30"),
        ("Pacific/Chatham", WindowKind.DAY, "day:2026-11-24", "2026-11-23T10:15", "2026-11-24T10:15"),
        ("UTC", WindowKind.WEEK, "week:2026-11-23", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("America/New_York", WindowKind.MONTH, "month:2026-11", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("UTC", WindowKind.MINUTE, "minute:29923830", "2026-11-23T10:30", "2026-11-23T10:31"),
    ],
)
def test_windows_are_the_tenants_own(zone, kind, name, start, end):
    window = windows(zone)[kind]
    assert (window.name, f"{window.start:%Y-%m-%dT%H:%M}", f"{window.end:%Y-%m-%dT%H:%M}") == (name, start, end)


def test_the_last_hour_of_a_day_with_a_half_hour_change_ends_with_the_day():
    at = datetime(2026, 10, 4, 12, 45, tzinfo=UTC)
    window = windows("Australia/Lord_Howe", at)[WindowKind.HOUR]
    assert window.name == "hour:2026-10-04+23"
    assert (window.end - window.start).total_seconds() == 1800


def test_a_tenants_own_budget_stands_in_for_everyones_of_the_same_meter():
    own, everyones = budget(tenant="acme", limit=5), budget(limit=9)
    found = BudgetSet([own, everyones]).matching(CALL, windows(), AT)
    assert [check.budget.limit for check in found] == [5]


def test_a_budget_for_one_value_stands_in_for_that_of_each():
    each = budget(scope=ScopeKind.MODEL, match="*", limit=9)
    one = budget(scope=ScopeKind.MODEL, match="gpt-5", limit=5)
    assert [c.budget.limit for c in BudgetSet([each, one]).matching(CALL, windows(), AT)] == [5]


def test_a_budget_for_each_run_matches_a_run_never_seen():
    each = budget(scope=ScopeKind.RUN, window=WindowKind.RUN)
    assert meters(each) == ["usd|run:r1|run|r1"]
    assert meters(each, call=Attribution("a", "m")) == []


def test_a_share_that_has_ended_no_longer_holds():
    assert meters(budget(scope=ScopeKind.INSTANCE, match="r1/planner", expires_at=AT)) == []


def test_tags_match_by_value_or_by_key():
    by_value = budget(scope=ScopeKind.TAG, match="team=blue", unit=Unit.TOKENS)
    by_key = budget(scope=ScopeKind.TAG, match="team=*", unit=Unit.CALLS)
    other = budget(scope=ScopeKind.TAG, match="team=red")
    assert sorted(meters(by_value, by_key, other)) == [
        meter_name(Unit.CALLS, "day:2026-11-23", ScopeKind.TAG, "team=blue"),
        meter_name(Unit.TOKENS, "day:2026-11-23", ScopeKind.TAG, "team=blue"),
    ]
