"""What a limit would have done."""

from datetime import date
from typing import Any

import msgspec
import pytest

from tollbook.domain.money import nanos_from_usd, usd_text
from tollbook.domain.terms import Terms
from tollbook.mcp.backtest import Backtest, judged
from tollbook.mcp.shapes import SpendRow

TODAY = date(2026, 11, 26)  # a Thursday
FIRST = date(2026, 9, 1)
NOTHING = {"unpriced_usd": "0.000000000", "cache_read": 0, "cache_write": 0, "reasoning": 0}


def row(day: str, cost: str, **more: Any) -> SpendRow:
    figures = {"calls": 1, "input": 0, "output": 0, "tenant": "acme", **more}
    return SpendRow(day=day, cost_usd=usd_text(nanos_from_usd(cost)), **NOTHING, **figures)


def verdict(rows: list[SpendRow], budget_id: str = "b", **terms: Any) -> Backtest:
    return judged(msgspec.convert(terms, Terms).budget(budget_id, "acme"), rows, FIRST, TODAY)


def test_a_window_that_reaches_the_limit_is_counted_and_one_below_is_not() -> None:
    rows = [row("2026-11-24", "0.999999999"), row("2026-11-25", "1.000000000"), row("2026-11-26", "2.5")]
    found = verdict(rows, "daily", window="day", limit_usd="1")
    assert (found.windows, found.reached) == (3, 2)
    assert [(crossing.window_begins, crossing.over_by) for crossing in found.worst] == [
        ("2026-11-26", "1.500000000"),
        ("2026-11-25", "0.000000000"),
    ]
    assert [crossing.window_begins for crossing in found.now_open] == ["2026-11-26"]
    assert found.spent_now == "2.500000000"


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    rows = [row("2026-11-22", "1"), row("2026-11-23", "1"), row("2026-11-26", "1")]
    week = verdict(rows, window="week", limit_usd="2")
    assert [(crossing.window_begins, crossing.spent) for crossing in week.worst] == [("2026-11-23", "2.000000000")]
    month = verdict([*rows, row("2026-10-31", "9")], window="month", limit_usd="3")
    assert [crossing.window_begins for crossing in month.worst] == ["2026-10-01", "2026-11-01"]
    assert month.spent_now == "3.000000000"


def test_an_agents_spend_counts_at_each_path_above_it() -> None:
    rows = [row("2026-11-26", "1", agent="planner/search"), row("2026-11-26", "1", agent="planner")]
    each = verdict(rows, scope="agent", window="day", limit_usd="2")
    assert [(crossing.value, crossing.spent) for crossing in each.worst] == [("planner", "2.000000000")]
    one = verdict(rows, scope="agent", match="planner/search", window="day", limit_usd="1")
    assert [(crossing.value, crossing.spent) for crossing in one.worst] == [("planner/search", "1.000000000")]
    assert one.windows == 1


def test_a_model_is_matched_by_its_name_and_tenants_are_kept_apart() -> None:
    rows = [
        row("2026-11-26", "1", model="m"),
        row("2026-11-26", "5", model="n"),
        row("2026-11-26", "1", tenant="b", model="m"),
    ]
    found = verdict(rows, scope="model", match="m", window="day", limit_usd="1")
    assert sorted((crossing.tenant, crossing.spent) for crossing in found.worst) == [
        ("acme", "1.000000000"),
        ("b", "1.000000000"),
    ]


@pytest.mark.parametrize(("limit", "spent"), [({"limit_tokens": 30}, "33"), ({"limit_calls": 3}, "4")])
def test_tokens_and_calls_are_counted_as_such(limit: dict[str, int], spent: str) -> None:
    rows = [row("2026-11-26", "0.1", input=10, output=20, calls=3), row("2026-11-26", "0.1", input=1, output=2)]
    assert [crossing.spent for crossing in verdict(rows, window="day", **limit).worst] == [spent]


def test_hours_are_those_of_the_sums() -> None:
    rows = [row("", "1", hour="2026-11-26T10:00:00Z"), row("", "3", hour="2026-11-26T11:00:00Z")]
    found = verdict(rows, window="hour", limit_usd="2")
    assert [crossing.window_begins for crossing in found.worst] == ["2026-11-26T11:00:00Z"]
    assert found.note == "by UTC hours"
