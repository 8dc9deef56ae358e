"""Each likely cause of a drift is named where the figures speak for it, and nowhere else."""

from datetime import date, timedelta
from decimal import Decimal

import anyio
import pytest

from tollbook.pipeline.drift import CauseCode
from tollbook.pipeline.reconcile import Line, Reconcile, Tolerance
from tollbook.ports.reconcile import Booked, Item, Report

DAY = date(2026, 11, 5)
LATER = date(2026, 11, 14)
USD = 1_000_000_000


class Names:
    """Models are sold by `openai`; a dated name means the model."""

    def seller_of(self, provider: str | None, model: str) -> tuple[str, str] | None:
        if model == "unknown" and provider is None:
            return None
        return provider or "openai", model.removesuffix("-2026-01-01")


class Ledger:
    """What was booked, and what was asked for."""

    def __init__(self, *rows: Booked) -> None:
        self.rows = rows
        self.asked: tuple[object, ...] = ()

    async def booked(self, first_day: date, last_day: date, tenant: str | None) -> list[Booked]:
        self.asked = (first_day, last_day, tenant)
        return [row for row in self.rows if first_day <= row.day <= last_day]


def booked(day: date = DAY, cost: int = 10 * USD, **more: object) -> Booked:
    facts = {"provider": None, "model": "m", "tier": None, "calls": 5, "input": 100, "cache_read": 0, "cache_write": 0}
    parts = {"output": 10, "unpriced_nanos": 0, "estimated_nanos": 0, "aggregate_nanos": 0, "discounted_nanos": 0}
    return Booked(**{"day": day, "cost_nanos": cost, **facts, **parts, **more})


def costs(amount: int, day: date = DAY, model: str | None = "m-2026-01-01", **more: object) -> Item:
    return Item(day, model, "input", cost_nanos=amount, **more)


def usage(**counts: object) -> Item:
    facts = {"calls": 5, "input": 100, "output": 10, "cache_read": 0, "cache_write": 0}
    return Item(DAY, "m", "usage", **(facts | counts))


def lines_of(
    items: list[Item], *rows: Booked, today: date = DAY + timedelta(days=9), step: int = 1
) -> tuple[Line, ...]:
    found = anyio.run(
        lambda: Reconcile(Ledger(*rows), Names()).run(
            "openai", Report(tuple(items), step), Tolerance(), tenant=None, today=today
        )
    )
    return found.lines


def codes(items: list[Item], *rows: Booked, **more: object) -> list[str]:
    (line,) = lines_of(items, *rows, **more)
    return [cause.code.value for cause in line.causes]


def test_a_line_within_the_tolerance_has_no_causes() -> None:
    (line,) = lines_of([costs(10 * USD), usage(calls=9)], booked(cost=10 * USD + USD // 10))
    assert (line.within, line.causes, line.model, line.drift_nanos) == (True, (), "m", USD // 10)


@pytest.mark.parametrize(
    ("code", "items", "rows"),
    [
        (CauseCode.MISSING_EVENTS, [costs(9 * USD)], []),
        (CauseCode.MISSING_EVENTS, [costs(20 * USD), usage(calls=10)], [booked()]),
        (CauseCode.SURPLUS_EVENTS, [costs(5 * USD), usage(calls=2)], [booked()]),
        (CauseCode.UNPRICED, [costs(5 * USD)], [booked(unpriced_nanos=3)]),
        (CauseCode.TIER_UNREPORTED, [costs(5 * USD), usage(tier="batch")], [booked()]),
        (CauseCode.TIER_UNREPORTED, [costs(20 * USD), usage()], [booked(tier="batch")]),
        (CauseCode.CACHE_WRITES, [costs(20 * USD), usage(cache_write=50)], [booked()]),
        (CauseCode.CACHED_INPUT, [costs(5 * USD), usage(cache_read=50)], [booked()]),
        (CauseCode.TOKENS_DIFFER, [costs(20 * USD), usage(input=200)], [booked()]),
        (CauseCode.PRICE_DIFFERS, [costs(9 * USD), usage()], [booked()]),
        (CauseCode.OWN_DISCOUNT, [costs(20 * USD)], [booked(discounted_nanos=10 * USD)]),
        (CauseCode.AGGREGATES, [costs(5 * USD)], [booked(aggregate_nanos=10 * USD)]),
        (CauseCode.ESTIMATED, [costs(5 * USD)], [booked(estimated_nanos=10 * USD)]),
        (CauseCode.NO_MODEL, [costs(5 * USD, model=None)], []),
        (CauseCode.UNKNOWN, [costs(5 * USD)], [booked()]),
    ],
)
def test_a_cause_is_named(code: CauseCode, items: list[Item], rows: list[Booked]) -> None:
    assert codes(items, *rows) == [code.value]


def test_what_the_report_lacks_is_named() -> None:
    other = costs(USD, model="other")
    lines = {line.model: line for line in lines_of([other], booked(model="other", cost=USD), booked())}
    assert [cause.code for cause in lines["m"].causes] == [CauseCode.NOT_IN_REPORT]
    assert lines["other"].within


def test_a_constant_discount_is_told_in_percent() -> None:
    (line,) = lines_of([costs(85 * USD // 10), usage()], booked())
    assert "charges 15.00 % less" in line.causes[0].evidence


def test_days_that_drift_against_each_other_are_a_matter_of_midnight() -> None:
    later = DAY + timedelta(days=1)
    rows = [booked(cost=7 * USD), booked(later, 13 * USD)]
    found = lines_of([costs(10 * USD), costs(10 * USD, later)], *rows)
    assert [[cause.code for cause in line.causes] for line in found] == [[CauseCode.TIME_ZONE]] * 2


def test_the_day_before_the_report_tells_of_midnight_and_makes_no_line() -> None:
    rows = [booked(DAY - timedelta(days=1), 3 * USD), booked(cost=7 * USD)]
    assert codes([costs(10 * USD)], *rows) == ["time_zone"]


def test_a_drift_that_rounding_to_cents_makes_is_named() -> None:
    items = [costs(USD) for _ in range(40)]
    assert codes(items, booked(cost=40 * USD - 15 * USD // 100), step=10_000_000) == []
    many = [costs(10_000_000) for _ in range(300)]
    assert codes(many, booked(cost=3 * USD - USD), step=10_000_000) == ["rounding"]


def test_a_day_that_is_not_over_is_named() -> None:
    assert codes([costs(20 * USD)], booked(), today=DAY) == ["day_incomplete"]


def test_sellers_of_the_same_model_are_kept_apart() -> None:
    (line,) = lines_of([costs(10 * USD)], booked(), booked(provider="azure"), booked(model="unknown"))
    assert (line.within, line.ledger.cost_nanos) == (True, 10 * USD)


def test_a_tolerance_is_the_greater_of_share_and_amount() -> None:
    tolerance = Tolerance(Decimal("0.5"), 1_000)
    assert tolerance.allows(-1_000, 0)
    assert tolerance.allows(5 * USD // 1000, USD)
    assert not tolerance.allows(5 * USD // 1000 + 1, USD)
