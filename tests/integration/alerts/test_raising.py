"""Alerts ring on settled totals, once for each crossing and window, whatever is repeated or changed in between."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.alerts.alerting_world import Alerting
from tests.world import World, event
from tollbook.domain.alert import AlertKind
from tollbook.domain.errors import LedgerUnavailable
from tollbook.domain.money import usd_text
from tollbook.telemetry import AlertRaised

CALL = 150_000
"""Nano-dollars of one call."""
LATE_IN_THE_DAY = datetime.now(UTC).hour >= 23


def test_each_threshold_rings_once_and_the_limit_throttles(world: World, alerting: Alerting) -> None:
    alerting.limit("acme", 10 * CALL)
    world.book(*(event() for _ in range(4)))
    assert alerting.kinds() == []
    world.book(event())
    assert alerting.kinds() == ["budget.threshold 50"]
    assert alerting.kinds() == []
    world.book(event(), event())
    assert alerting.kinds() == []
    world.book(event(), event(), event())
    assert alerting.kinds() == ["budget.threshold 100", "budget.threshold 80", "throttle.set"]
    world.book(event())
    assert alerting.kinds() == []


def test_a_new_raiser_rings_nothing_again(world: World, alerting: Alerting) -> None:
    """What is known lies in Postgres: a restart, a second drain and a lost cursor all find it there."""
    alerting.limit("acme", 2 * CALL)
    world.book(event(), event())
    assert len(alerting.raise_all()) == 4
    world.book(event())
    alerting.raisers = alerting.new_raisers()
    assert alerting.kinds() == []
    world.execute("DELETE FROM alert_cursor")
    alerting.raisers = alerting.new_raisers()
    assert alerting.kinds() == []


def test_pending_and_duplicates_do_not_ring(world: World, alerting: Alerting) -> None:
    """Only what is settled counts: the same event many times over is one."""
    alerting.limit("acme", 2 * CALL)
    world.accept(*(event(id="a") for _ in range(5)))
    assert alerting.kinds() == []
    world.drain()
    assert alerting.kinds() == ["budget.threshold 50"]


def test_a_raised_limit_rings_anew_and_a_lowered_one_does_not(world: World, alerting: Alerting) -> None:
    """A crossing is of an amount: each amount that a threshold has stood for is crossed once."""
    alerting.limit("acme", 10 * CALL)
    world.book(*(event() for _ in range(6)))
    assert alerting.kinds() == ["budget.threshold 50"]
    alerting.limit("acme", 20 * CALL)
    assert alerting.kinds() == []
    world.book(*(event() for _ in range(4)))
    assert alerting.kinds() == ["budget.threshold 50"]
    alerting.limit("acme", 11 * CALL)
    assert alerting.kinds() == ["budget.threshold 80"]
    alerting.limit("acme", 20 * CALL)
    assert alerting.kinds() == []


def test_a_limit_changed_without_a_call_rings(world: World, alerting: Alerting) -> None:
    """Everyone's limit is everyone's: tenants without an own one ring, others do not."""
    alerting.limit("own", 100 * CALL)
    world.book(event(), event("own"), event("other"))
    assert alerting.kinds() == []
    alerting.limit(None, CALL)
    assert alerting.kinds() == sorted(
        2 * ["budget.threshold 100", "budget.threshold 50", "budget.threshold 80", "throttle.set"]
    )
    assert {row.tenant for row in alerting.rows()} == {"acme", "other"}


@pytest.mark.parametrize(("nanos", "reason"), [(10 * CALL, "budget_changed"), (None, "budget_changed")])
def test_a_throttle_is_lifted_with_its_limit(world: World, alerting: Alerting, nanos: int | None, reason: str) -> None:
    alerting.limit("acme", CALL)
    world.book(event())
    assert "throttle.set" in alerting.kinds()
    alerting.limit("acme", nanos)
    assert alerting.kinds() == [f"throttle.cleared {reason}"]
    alerting.limit("acme", CALL)
    assert alerting.kinds() == ["throttle.set"]


def test_a_throttle_ends_with_its_day(world: World, alerting: Alerting) -> None:
    """Nothing has to happen for it; the alert comes all the same."""
    alerting.limit("acme", CALL)
    world.book(event())
    alerting.raise_all()
    alerting.pass_time(days=1)
    assert alerting.kinds() == ["throttle.cleared window_ended"]
    assert alerting.kinds() == []


def test_a_model_without_a_price_rings_once_a_day(world: World, alerting: Alerting) -> None:
    world.book(event(model="new-1"), event(), event("other", model="new-1"))
    assert alerting.kinds() == ["model.unpriced", "model.unpriced"]
    world.book(event(model="new-1"), event(model="new-2"))
    (raised,) = alerting.raise_all()
    assert raised.alert.facts["model"] == "new-2"
    alerting.raisers = alerting.new_raisers()
    world.book(event(model="new-1"))
    assert alerting.kinds() == []


def test_a_cost_that_its_sender_names_otherwise_rings_once_a_day(world: World, alerting: Alerting) -> None:
    world.book(event(), event(cost_usd="0.000000001"), event(cost_usd="0.000000001"))
    (raised,) = alerting.raise_all()
    assert raised.alert.kind is AlertKind.PRICE_DIFFERS
    facts = raised.alert.facts
    assert (facts["tenant"], facts["model"], facts["calls"]) == ("acme", "m-1", 2)
    assert (facts["reported_usd"], facts["cost_usd"]) == ("0.000000002", usd_text(2 * CALL))
    world.book(event(cost_usd="0.000000001"), event("other", cost_usd="0.000000001"))
    (raised,) = alerting.raise_all()
    assert raised.alert.tenant == "other"
    alerting.raisers = alerting.new_raisers()
    world.book(event(cost_usd="0.000000001"), event(cost_usd=usd_text(CALL)))
    assert alerting.kinds() == []


def test_an_old_call_at_another_cost_rings_nothing(world: World, alerting: Alerting) -> None:
    world.book(event(ts=datetime.now(UTC) - timedelta(days=20), cost_usd="0.000000001"))
    assert alerting.kinds() == []


def test_an_import_of_last_month_rings_nothing(world: World, alerting: Alerting) -> None:
    alerting.limit("acme", CALL)
    alerting.raise_all()
    world.book(
        event(ts=datetime.now(UTC) - timedelta(days=20), model="new-1"), event(ts=datetime.now(UTC) - timedelta(days=9))
    )
    assert alerting.kinds() == []


@pytest.mark.skipif(LATE_IN_THE_DAY, reason="the day would end before the budget does")
def test_the_pace_tells_that_the_budget_ends(world: World, alerting: Alerting) -> None:
    alerting.limit("acme", 100 * CALL)
    for _ in range(7):
        world.book(*(event() for _ in range(5)))
        alerting.raise_all()
        alerting.pass_time(minutes=1)
    rang = [row for row in alerting.rows() if row.kind == "budget.burn_rate"]
    assert len(rang) == 1
    assert 10 <= rang[0].facts["minutes_left"] <= 60


def test_what_changed_and_was_pruned_is_found_among_the_open_totals(world: World, alerting: Alerting) -> None:
    alerting.limit("acme", CALL)
    alerting.raise_all()
    world.book(event())
    world.book(event("other"))
    world.execute("DELETE FROM ledger_batch")
    assert "throttle.set" in alerting.kinds()


def test_a_restored_ledger_is_looked_at_as_a_whole(world: World, alerting: Alerting) -> None:
    alerting.raise_all()
    alerting.limit("acme", CALL)
    world.book(event())
    alerting.raise_all()
    world.run(world.config.mint_ledger_epoch("test"))
    world.execute("DELETE FROM alert")
    alerting.raisers = alerting.new_raisers()
    assert len(alerting.kinds()) == 3


def test_a_turn_that_fails_leaves_nothing(world: World, alerting: Alerting) -> None:
    """Alert, deliveries, states and cursor stand or fall together."""
    alerting.limit("acme", CALL)
    alerting.raise_all()
    alerting.hook("https://hooks.example/a")
    world.book(event(), event(model="new-1"))

    async def die(step: str) -> None:
        raise LedgerUnavailable(step)

    for raiser in alerting.raisers:
        raiser._crossing = die
    for raiser in alerting.raisers:
        with contextlib.suppress(LedgerUnavailable):
            world.run(raiser.step())
    assert alerting.rows() == []

    async def live(step: str) -> None:
        """Go on."""

    for raiser in alerting.raisers:
        raiser._crossing = live
    assert len(alerting.kinds()) == 5
    assert all(len(row.deliveries) == 1 for row in alerting.rows())


def test_an_alert_is_told_to_telemetry_with_its_facts(world: World, alerting: Alerting) -> None:
    alerting.limit("acme", 2 * CALL)
    world.book(event())
    (raised,) = alerting.raise_all()
    told = [record for record in world.telemetry.happened if isinstance(record, AlertRaised)]
    assert [(record.kind, record.alert_id, record.text) for record in told] == [
        ("budget.threshold", raised.alert_id, "acme reached 50 % of its $0.0003 a day: $0.00015 are spent")
    ]
    day = world.directory.tenancy.window_at("acme", world.clock.now())
    assert raised.alert.facts == {
        "tenant": "acme",
        "scope": "tenant",
        "value": "",
        "window": f"day:{day.day}",
        "unit": "usd",
        "spent": "0.000150000",
        "reset_at": day.end.isoformat().replace("+00:00", "Z"),
        "budget": {
            "id": "daily", "tenant": "acme", "scope": "tenant", "match": "*", "window": "day", "unit": "usd",
            "limit": "0.000300000", "action": "throttle",
        },
        "threshold": 50,
    }  # fmt: skip


def test_many_totals_are_looked_at_in_pages(world: World, alerting: Alerting) -> None:
    world.book(*(event(f"t{number}") for number in range(1_201)))
    alerting.raise_all()
    alerting.limit(None, 2 * CALL)
    assert alerting.kinds() == 1_201 * ["budget.threshold 50"]
