"""What a total gives rise to: thresholds, throttles, burn rate, each by a key that names it once."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.alerting.delivery import pause_s
from tollbook.alerting.hook import check_url
from tollbook.alerting.judge import burn, thresholds, throttled, unpriced
from tollbook.alerting.pace import Pace
from tollbook.domain.alert import AlertKind, Spent, Throttle, crossing_of, threshold_amount
from tollbook.domain.budget import Action, Budget
from tollbook.domain.meter import ScopeKind, Unit, WindowKind, meter_name, window_of
from tollbook.domain.meter_parts import parts_of, window_named
from tollbook.domain.window import ZoneCalendar, ZoneSpan, calendar_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CALENDAR = calendar_of("UTC")


def budget(limit: int = 100, **more: object) -> Budget:
    fields = {"id": "b", "scope": ScopeKind.TENANT, "window": WindowKind.DAY, "unit": Unit.CALLS, "limit": limit}
    return Budget(**(fields | more))


def spent(total: int, of: Budget | None = None, meter: str = "calls|day:2026-11-23|tenant|") -> Spent:
    parts = parts_of(meter)
    return Spent("acme", meter, parts, window_named(parts.window, CALENDAR), total, budget() if of is None else of)


def reached(total: int, **terms: object) -> list[int]:
    return [candidate.alert.facts["threshold"] for candidate in thresholds(spent(total, budget(**terms)))]


@pytest.mark.parametrize(
    ("total", "percents"),
    [(0, []), (49, []), (50, [50]), (79, [50]), (80, [50, 80]), (100, [50, 80, 100]), (999, [50, 80, 100])],
)
def test_a_threshold_is_reached_at_its_share(total: int, percents: list[int]) -> None:
    assert reached(total) == percents


def test_a_closed_scope_rings_with_the_first_spend() -> None:
    """A limit of 0: nothing spent crosses nothing."""
    assert reached(0, limit=0) == []
    assert reached(1, limit=0) == [50, 80, 100]


@given(st.integers(0, 10**18), st.integers(1, 100))
def test_the_threshold_is_the_least_total_of_that_share(limit: int, percent: int) -> None:
    amount = threshold_amount(limit, percent)
    assert amount * 100 >= limit * percent
    assert amount == 1 or (amount - 1) * 100 < limit * percent


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_two_lists_of_names_have_two_keys(one: list[str], other: list[str]) -> None:
    same = crossing_of(AlertKind.THRESHOLD, *one) == crossing_of(AlertKind.THRESHOLD, *other)
    assert same == (one == other)
    assert crossing_of(AlertKind.THRESHOLD, *one) != crossing_of(AlertKind.BURN_RATE, *one)


def test_a_key_does_not_move_with_limit_and_total() -> None:
    """The window is in the meter's name; the limit is not, so that lowering it does not ring again."""
    first, again = thresholds(spent(50))[0], thresholds(spent(60, budget(70)))[0]
    assert first.alert.crossing == again.alert.crossing
    assert first.alert.crossing != thresholds(spent(50, meter="calls|day:2026-11-24|tenant|"))[0].alert.crossing
    assert first.alert.mark == 50
    assert again.unless == 35


def test_a_throttle_is_set_and_cleared_once_each() -> None:
    engaged = throttled(spent(100), None, NOW)
    assert engaged is not None
    assert engaged.alert is not None
    assert engaged.throttle == Throttle(
        "acme", spent(0).meter, True, 1, "b", 100, NOW.replace(hour=0) + timedelta(days=1)
    )
    assert throttled(spent(120), engaged.throttle, NOW) is None
    raised = throttled(spent(120, budget(200)), engaged.throttle, NOW)
    assert raised is not None
    assert raised.alert is not None
    assert (raised.alert.facts["reason"], raised.throttle.engaged, raised.throttle.changes) == (
        "budget_changed",
        False,
        2,
    )
    assert throttled(spent(150, budget(200)), raised.throttle, NOW) is None
    again = throttled(spent(200, budget(200)), raised.throttle, NOW)
    assert again is not None
    assert again.alert is not None
    assert again.alert.mark == 3


@pytest.mark.parametrize(
    ("total", "terms", "at", "reason"),
    [
        (100, {}, NOW + timedelta(days=1), "window_ended"),
        (100, {"limit": 101}, NOW, "budget_changed"),
        (100, {"action": Action.NOTIFY}, NOW, "budget_changed"),
        (100, {"expires_at": NOW}, NOW, "budget_removed"),
        (99, {}, NOW, "total_corrected"),
    ],
)
def test_why_a_throttle_ended(total: int, terms: dict[str, object], at: datetime, reason: str) -> None:
    before = Throttle("acme", spent(0).meter, True, 1, "b", 100, None)
    turned = throttled(spent(total, budget(**terms)), before, at)
    assert turned is not None
    assert turned.alert is not None
    assert turned.alert.facts["reason"] == reason


def test_a_removed_budget_clears_and_another_that_refuses_too_does_not_ring() -> None:
    before = Throttle("acme", spent(0).meter, True, 1, "own", 50, None)
    gone = throttled(msgspec.structs.replace(spent(100), budget=None), before, NOW)
    assert gone is not None
    assert gone.alert is not None
    assert gone.alert.facts["reason"] == "budget_removed"
    taken_over = throttled(spent(100), before, NOW)
    assert taken_over is not None
    assert taken_over.alert is None
    assert taken_over.throttle.budget_id == "b"


@pytest.mark.parametrize("action", [Action.NOTIFY, Action.DEGRADE])
def test_a_budget_that_does_not_refuse_throttles_nobody(action: Action) -> None:
    assert throttled(spent(100, budget(action=action)), None, NOW) is None


def test_a_late_booking_throttles_no_closed_window() -> None:
    assert throttled(spent(100), None, NOW + timedelta(days=1)) is None


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_a_steady_pace_tells_when_the_budget_ends() -> None:
    """10 in 10 minutes, 40 left: 40 minutes."""
    pace = Pace()
    for minute in range(10):
        pace.seconds_left(spent(50 + minute), NOW + minutes(minute))
    assert pace.seconds_left(spent(60), NOW + minutes(10)) == 40 * 60


def test_one_dear_call_is_no_pace() -> None:
    pace = Pace()
    assert pace.seconds_left(spent(10), NOW) is None
    assert pace.seconds_left(spent(90), NOW + minutes(1)) is None


def test_only_the_last_quarter_of_an_hour_counts() -> None:
    """What stood for long is not a pace, and what was spent before the span is left out."""
    pace = Pace()
    pace.seconds_left(spent(0), NOW)
    pace.seconds_left(spent(50), NOW + minutes(1))
    assert pace.seconds_left(spent(50), NOW + minutes(30)) is None
    assert pace.seconds_left(spent(51, budget(60)), NOW + minutes(31)) == 9 * 15 * 60


def test_a_window_that_has_just_begun_began_at_nothing() -> None:
    start = datetime(2026, 11, 23, tzinfo=UTC)
    assert Pace().seconds_left(spent(20), start + minutes(10)) == 40 * 60
    assert Pace().seconds_left(spent(20), start + minutes(4)) is None


def test_a_window_that_ends_first_does_not_burn() -> None:
    end = datetime(2026, 11, 24, tzinfo=UTC)
    pace = Pace()
    pace.seconds_left(spent(50), end - minutes(20))
    assert pace.seconds_left(spent(60), end - minutes(10)) is None


@given(st.lists(st.tuples(st.integers(1, 600), st.integers(0, 5)), min_size=1, max_size=200))
def test_samples_are_bounded_and_the_pace_is_what_was_spent(steps: list[tuple[int, int]]) -> None:
    """No base is newer than five minutes or older than the quarter of an hour and one spacing."""
    pace, at, total, seen = Pace(), NOW - timedelta(hours=11), 0, []
    big = budget(10**9)
    for seconds, more in steps:
        at, total = at + timedelta(seconds=seconds), total + more
        seen.append((at, total))
        left = pace.seconds_left(spent(total, big), at)
        (samples,) = pace._samples.values()
        assert len(samples) <= 33
        if left is None:
            continue
        oldest = max((known for when, known in seen if when <= at - minutes(15.5)), default=seen[0][1])
        assert left >= (10**9 - total) * 300 // (total - oldest) - 1


def test_meters_are_bounded() -> None:
    pace = Pace(meters_max=2)
    for name in ("a", "b", "c"):
        pace.seconds_left(spent(1, meter=f"calls|day:2026-11-23|model|{name}"), NOW)
    assert len(pace._samples) == 2


def test_burn_rate_rings_anew_only_for_a_raised_limit() -> None:
    first, raised = burn(spent(90), 600), burn(spent(90, budget(200)), 600)
    assert first is not None
    assert raised is not None
    assert first.alert.crossing == raised.alert.crossing
    assert first.alert.mark < raised.unless


def test_a_model_rings_once_a_day() -> None:
    assert unpriced("acme", "2026-11-23", "m").alert.crossing != unpriced("acme", "2026-11-24", "m").alert.crossing


@given(
    st.sampled_from(WindowKind),
    st.integers(0, 3 * 365 * 24 * 60),
    st.sampled_from(ScopeKind),
    st.text(),
)
def test_a_name_leads_back_to_its_meter(kind: WindowKind, minute: int, scope: ScopeKind, value: str) -> None:
    """In a zone with half hours that changed: every window is found again by its name alone."""
    instant = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    calendar = ZoneCalendar((ZoneSpan(date.min, "Europe/Berlin"), ZoneSpan(date(2025, 6, 3), "Asia/Kolkata")))
    window = window_of(kind, instant, calendar.window_at(instant), calendar, "r|1")
    assert window is not None
    assert window_named(window.name, calendar) == window
    name = meter_name(Unit.TOKENS, window.name, scope, value)
    parts = parts_of(name)
    assert (parts.unit, parts.window, parts.scope, parts.value, parts.kind) == (
        Unit.TOKENS,
        window.name,
        scope,
        value,
        kind,
    )


@pytest.mark.parametrize(
    "name", ["", "day", "usd|day:2026-01-01", "usd|day:2026-01-01|", "coins|day:2026-01-01|tenant|"]
)
def test_what_is_no_meter_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"meter|Unit"):
        parts_of(name)


@given(st.integers(1, 10), st.floats(-1, 1), st.none() | st.floats(0, 1e9))
def test_retries_take_about_a_day(attempts: int, jitter: float, asked: float | None) -> None:
    pause = pause_s(attempts, asked, jitter)
    assert 4 <= pause <= 8 * 3600 * 1.2
    assert asked is None or pause >= min(asked, 8 * 3600)
    assert 19 * 3600 < sum(pause_s(number, None, 0) for number in range(1, 10)) < 25 * 3600


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://a.example/x",
            "file:/etc/passwd",
            "//a.example",
            "https://",
            "https://u@a.example",
            "https://u:p@a.example",
        ),
        *(
            "https://a.example/#x",
            "https://a.example:0/",
            "https://a.exämple/",
            "https://a.example/ x",
            "gopher://a",
            "",
        ),
        *("https://a.example/" + "x" * 2048, "https://a.example:99999/", "http:a.example", "javascript:alert(1)"),
    ],
)
def test_a_url_that_no_hook_may_have(url: str) -> None:
    with pytest.raises(ValueError, match=r"hook|[Pp]ort"):
        check_url(url)


@pytest.mark.parametrize("url", ["https://a.example", "http://10.0.0.1:8080/x?y=z", "https://[2606::1]/hook"])
def test_a_url_that_a_hook_may_have(url: str) -> None:
    assert check_url(url) == url
