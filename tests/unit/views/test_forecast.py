"""What is ahead of a total."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tollbook.alerting.pace import Grown, seconds_until
from tollbook.domain.window import DayWindow, calendar_of
from tollbook.views.forecast import Forecast, forecast_of, month_of, pace_from

NOON = datetime(2026, 11, 8, 12, 30, tzinfo=UTC)
DAY = calendar_of("UTC").window_at(NOON)
USD = 1_000_000_000


def test_a_day_goes_on_at_the_pace_of_its_last_hours() -> None:
    # From 11:00 to 12:30 a dollar and a half: a dollar an hour for the eleven and a half that are left.
    ahead = forecast_of(10 * USD, 3 * USD // 2, DAY, NOON, 15 * USD)
    assert ahead == Forecast(USD, 21 * USD + USD // 2, NOON + timedelta(hours=5))


def test_a_limit_behind_the_end_of_the_day_is_not_reached() -> None:
    assert forecast_of(10 * USD, 3 * USD // 2, DAY, NOON, 22 * USD).limit_at is None
    assert forecast_of(15 * USD, 3 * USD // 2, DAY, NOON, 15 * USD).limit_at is None


def test_a_day_that_has_just_begun_has_no_pace() -> None:
    at = DAY.start + timedelta(minutes=4, seconds=59)
    assert forecast_of(USD, USD, DAY, at, 50 * USD) == Forecast(None, None, None)
    assert forecast_of(USD, USD, DAY, at + timedelta(seconds=1), 50 * USD).per_hour == 12 * USD


def test_the_pace_begins_with_the_day_where_the_hour_before_is_yesterdays() -> None:
    at = DAY.start + timedelta(minutes=30)
    assert forecast_of(USD, USD, DAY, at).per_hour == 2 * USD


def test_nothing_spent_lately_stays_as_it_is() -> None:
    assert forecast_of(10 * USD, 0, DAY, NOON, 50 * USD) == Forecast(0, 10 * USD, None)
    # A correction may take more back than was spent.
    assert forecast_of(10 * USD, -USD, DAY, NOON, 50 * USD).day == 10 * USD


def test_sums_beyond_what_a_float_holds_stay_exact() -> None:
    spent = 2**60 + 1
    assert forecast_of(spent, 0, DAY, NOON).day == spent


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati"])
def test_a_day_ends_where_its_zone_says(zone: str) -> None:
    window: DayWindow = calendar_of(zone).window_at(NOON)
    ahead = forecast_of(0, 3600, window, NOON)
    since = max(window.start, pace_from(NOON))
    left, lasted = window.end - NOON, NOON - since
    assert ahead.day == 3600 * int(left.total_seconds()) // int(lasted.total_seconds())


def test_a_month_goes_on_like_its_whole_days() -> None:
    # Three days of a hundred each, today half done and expected to reach two hundred, 26 days to come.
    ahead = Forecast(0, 200 * USD, None)
    assert month_of(350 * USD, 50 * USD, date(2026, 11, 4), ahead) == (300 + 200 + 26 * 100) * USD


def test_the_first_of_a_month_goes_on_like_itself() -> None:
    assert month_of(50 * USD, 50 * USD, date(2026, 11, 1), Forecast(0, 80 * USD, None)) == 30 * 80 * USD
    assert month_of(50 * USD, 50 * USD, date(2026, 11, 1), Forecast(None, None, None)) is None


def test_alerts_and_views_reckon_alike() -> None:
    """The time to a limit is that of the burn rate's alert for the same growth."""
    grown = Grown(3 * USD // 2, timedelta(hours=1, minutes=30))
    seconds = seconds_until(5 * USD, grown, DAY.end - NOON)
    assert forecast_of(10 * USD, 3 * USD // 2, DAY, NOON, 15 * USD).limit_at == NOON + timedelta(seconds=seconds or 0)
