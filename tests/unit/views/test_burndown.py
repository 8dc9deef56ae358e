"""What is left of a budget over its window."""

from datetime import UTC, datetime, timedelta

from tollbook.domain.decision import BudgetFacts
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.views.burndown import burn_down

START = datetime(2026, 11, 8, tzinfo=UTC)
HOURS = [START + timedelta(hours=number) for number in range(24)]
WINDOW = (START, START + timedelta(days=1))
NOW = START + timedelta(hours=10, minutes=30)


def _facts(limit: int = 100) -> BudgetFacts:
    return BudgetFacts(
        id="daily",
        tenant="acme",
        scope=ScopeKind.TENANT,
        match="",
        window=WindowKind.DAY,
        unit=Unit.USD,
        limit=limit,
        spent=0,
        held=0,
        reset_at=WINDOW[1],
    )


def test_it_burns_down_to_now_and_is_forecast_from_there() -> None:
    burn = burn_down(_facts(), HOURS, [(HOURS[2], 10), (HOURS[9], 15), (HOURS[10], 15)], WINDOW, NOW)
    left = [point.left for point in burn.points]
    assert left[:3] == [100, 100, 90]
    assert left[9:12] == [75, 60, None]
    ahead = [point.ahead for point in burn.points]
    assert ahead[9] is None
    assert ahead[10] == 60
    # 30 since nine o'clock are 20 an hour: half an hour to the end of this one, then an hour each.
    assert ahead[11] == 60 - 30
    assert burn.spent_at_end == 40 + 30 * 27 // 3


def test_an_overspent_budget_goes_below_nothing() -> None:
    burn = burn_down(_facts(20), HOURS, [(HOURS[0], 50)], WINDOW, NOW)
    assert burn.points[0].left == -30
    assert burn.spent_at_end == 50


def test_what_stands_twice_is_added_up() -> None:
    burn = burn_down(_facts(), HOURS, [(HOURS[0], 5), (HOURS[0], 7)], WINDOW, NOW)
    assert burn.points[0].left == 88
