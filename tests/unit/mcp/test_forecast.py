"""The straight line from the present pace to the window's end."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tollbook.mcp.forecast import Forecast, straight_line

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
USD = 1_000_000_000


def line(**given: Any) -> Forecast:
    asked = {
        "tenant": "acme",
        "window": "day",
        "began": "2026-11-28",
        "spent": 10 * USD,
        "recent": 2 * USD,
        "over": timedelta(hours=2),
        "now": NOW,
        "end": NOW + timedelta(hours=12),
        "limit": None,
        **given,
    }
    return straight_line(**asked)


def test_the_pace_goes_on_to_the_end() -> None:
    found = line()
    assert (found.pace_usd_per_hour, found.projected_usd) == ("1.000000000", "22.000000000")
    assert (found.limit_usd, found.limit_reached_at) == (None, None)
    assert found.ends_at == "2026-11-29T00:00:00Z"


def test_the_limit_is_reached_when_what_is_left_is_used_up() -> None:
    assert line(limit=13 * USD).limit_reached_at == "2026-11-28T15:00:00Z"
    assert line(limit=22 * USD).limit_reached_at == "2026-11-29T00:00:00Z"
    assert line(limit=22 * USD + 1_000_000).limit_reached_at is None
    assert line(limit=10 * USD).limit_reached_at == "2026-11-28T12:00:00Z"


def test_nothing_recent_reaches_nothing() -> None:
    found = line(recent=0, limit=11 * USD)
    assert (found.projected_usd, found.limit_reached_at) == ("10.000000000", None)


def test_a_window_that_is_over_projects_what_was_spent() -> None:
    assert line(end=NOW - timedelta(seconds=1)).projected_usd == "10.000000000"
