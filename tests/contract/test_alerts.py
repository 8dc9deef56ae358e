"""Alerts on the newest and on the oldest PostgreSQL: one turn, one delivery, and every statement by its index."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.contract.ledger_case import LedgerCase, open_case
from tests.contract.test_ledger_schema import fill, indexes_in, plan_of, scanned_in
from tests.core_world import FrozenClock, Recorder, event
from tollbook.alerting.hook import mint_hook
from tollbook.alerting.raising import Raiser, RaiserSettings
from tollbook.domain.budget import Budget
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.domain.tenancy import Tenancy
from tollbook.ledger.alerts import PostgresAlerts
from tollbook.ledger.config import PostgresConfig
from tollbook.ports.alerts import Answer
from tollbook.ports.config import BudgetChange

pytestmark = pytest.mark.anyio


@pytest.fixture
async def case(ledger_url: str, anyio_backend: str) -> AsyncIterator[LedgerCase]:
    async with open_case(ledger_url) as opened:
        yield opened


async def test_a_turn_raises_and_a_delivery_is_claimed_and_marked(case: LedgerCase) -> None:
    """Day in dollars and another budget's meter, in one turn; then each delivery's ways."""
    alerts, config = PostgresAlerts(case.pool, case.queries), PostgresConfig(case.pool, case.queries)
    hook, _ = await mint_hook(alerts, "https://hooks.example", tenant=None, kinds=(), by="test", now=case.now)
    calls = Budget(id="c", scope=ScopeKind.MODEL, window=WindowKind.MONTH, unit=Unit.CALLS, limit=2, thresholds=(50,))
    await config.change_budgets([BudgetChange(None, "c", calls)], "test", case.now)
    await config.set_limit("acme", 10, "test")
    await case.book(event(nanos=5, id="a"))
    raiser = Raiser(0, alerts, FrozenClock(), Recorder(), Tenancy, settings=RaiserSettings())
    raised = await raiser.step()
    assert sorted(str(each.alert.facts["unit"]) for each in raised) == ["calls", "usd"]
    assert [each.deliveries for each in raised] == [1, 1]
    assert await raiser.step() == []
    assert not await alerts.waits(0, case.now)
    now = datetime.now(UTC)
    later = now + timedelta(minutes=1)
    first, second = await alerts.claim(now, later, busy=(), per_hook=4, count=4)
    assert await alerts.claim(now, later, busy=(), per_hook=4, count=4) == []
    assert await alerts.delivered(first, 200, now)
    assert not await alerts.delivered(first, 200, now)
    assert await alerts.postponed(second, Answer(500, "no"), now, later)
    await alerts.disable(hook.hook_id, "gone", now)
    assert await alerts.claim(later, later, busy=(), per_hook=4, count=4) == []
    states = {each.state.value for row in await alerts.alerts(None, None, 9) for each in row.deliveries}
    assert states == {"delivered", "dead"}


async def test_alerts_read_big_tables_by_their_indexes(case: LedgerCase) -> None:
    await fill(case)
    await case.execute(
        """
        INSERT INTO alert (kind, tenant, crossing, mark, text, facts, raised_at)
        SELECT 'k', 't' || n % 50, md5(n::text)::uuid, n, '', '{}', now() - n * interval '1 minute'
        FROM generate_series(1, 20000) n
        """
    )
    await case.execute(
        "INSERT INTO alert_hook SELECT 'h' || n, '', 'u', 's', '{}', now(), 'b' FROM generate_series(1, 5) n"
    )
    await case.execute(
        """
        INSERT INTO alert_delivery (alert_id, hook_id, state, next_at)
        SELECT alert_id, 'h1', CASE mark % 100 WHEN 0 THEN 'pending' ELSE 'delivered' END, raised_at FROM alert
        """
    )
    await case.execute(
        """
        INSERT INTO alert_throttle
        SELECT 't' || n, 'day:2026-01-01', n % 100 = 0, 1, 'daily', 1, now(), n % 4, now()
        FROM generate_series(1, 20000) n
        """
    )
    await case.execute(
        """
        INSERT INTO rollup_hour
        SELECT 't' || n % 50, current_date - n / 50, now(), 'a', 'm', 1, 1, 1, 0, 0, 0, 0, 0
        FROM generate_series(1, 20000) n
        """
    )
    await case.execute("ANALYZE")
    now, some = case.now, [uuid4()]
    statements: list[tuple[str, tuple[object, ...], str]] = [
        ("alert_waits", (0, now), "alert_throttle_engaged"),
        ("alert_totals_changed", (0, 19_900, 76), "ledger_batch_pkey"),
        ("alert_totals_changed", (0, 19_900, 76), "daily_spend_pkey"),
        ("alert_totals_of", (0, ["t1"], now, 1), "daily_spend_pkey"),
        ("alert_throttles_of", (["t1"], ["day:2026-01-01"]), "alert_throttle_pkey"),
        ("alert_throttles_ending", (0, now - timedelta(days=1), ["t1"], False), "alert_throttle_engaged"),
        ("alert_unpriced_models", (["t1"], [now.date()]), "rollup_hour_pkey"),
        ("alert_differing", (0, 19_900, now - timedelta(days=1)), "entry_N_partition_version_idx"),
        ("alert_marks", (some,), "alert_once"),
        ("alert_claim", (now, now, [], 4, 4), "alert_delivery_due"),
        ("alert_mark", (some[0], "h1", 1, "dead", None, "", now, now), "alert_delivery_pkey"),
        ("alerts_of_all", (now, some[0], 10), "alert_newest"),
        ("alerts_of_tenant", (now, some[0], 10, "t1"), "alert_newest_of"),
        ("alert_deliveries_of", (some,), "alert_delivery_pkey"),
        ("alerts_prune", (now - timedelta(days=90), 100), "alert_newest"),
    ]
    big = ("alert", "alert_delivery", "alert_throttle", "daily_spend", "ledger_batch")
    async with case.pool.acquire() as connection, connection.transaction():
        for name, args, index in statements:
            nodes = await plan_of(connection, name, *args)
            assert scanned_in(nodes).isdisjoint(big), (name, nodes)
            assert index in indexes_in(nodes), (name, indexes_in(nodes))
