"""What a statement of a large tenant costs, beside the bare sum of its entries."""

from collections.abc import Awaitable, Callable
from time import perf_counter

import msgspec

from bench.history import filled
from bench.report import Figure, Options, Result, ratio_of
from bench.stack import Stack
from tollbook.app.config import Settings
from tollbook.app.wiring import World
from tollbook.domain.period import Period
from tollbook.statements.markup import Terms

NAME = "statement"
ENTRIES_MAX = 1_000_000
TARGET = 10.0
_LARGEST = """
SELECT tenant_id, date_trunc('month', day)::date FROM daily_spend GROUP BY 1, 2 ORDER BY sum(calls) DESC LIMIT 1
"""
_BARE = """
SELECT agent, model, price_id, sum(cost_nanos), sum(input), sum(output), sum(cache_read), count(*)
FROM entry WHERE tenant = $1 AND day BETWEEN $2 AND $3 AND ts >= $2::date - 1 GROUP BY 1, 2, 3
"""
WHAT = (
    f"A ledger of one tenant with a month of {ENTRIES_MAX:,} entries. Its statement of the calendar month with most of "
    "them, beside a bare `GROUP BY` of the same entries, A B A B. Entries are summed in Postgres; only lines are read."
)


def run(options: Options) -> Result:
    """Fill, ask, judge."""
    small = msgspec.structs.replace(options, entries=min(options.entries, ENTRIES_MAX), tenants=1)
    with filled(small) as stack:
        tenant, first_day = stack.postgres.rows(_LARGEST)[0]
        period = Period(first_day)
        world = stack.postgres.run(_world(stack))
        try:
            entries, whole, bare = _measured(stack, world, tenant, period, options.runs)
        finally:
            stack.postgres.run(world.close())
    return Result(
        name=NAME,
        title="a statement of a million entries",
        what=WHAT,
        figures=[
            Figure(name="entries of the statement", unit="entries", values=[float(entries)]),
            Figure(name="statement", unit="ms", values=whole),
            Figure(name="bare GROUP BY of its entries", unit="ms", values=bare),
        ],
        ratios=[ratio_of("statement over a bare GROUP BY", whole, bare, target=TARGET, at_least=False)],
    )


def _measured(
    stack: Stack, world: World, tenant: str, period: Period, runs: int
) -> tuple[int, list[float], list[float]]:
    """Entries of the statement, and milliseconds of both, run by run; the first run only warms."""
    use, calendar = world.statements(), world.directory.tenancy.calendar_of(tenant)
    found = stack.postgres.run(use.of(tenant, period, calendar, Terms()))
    days = (tenant, period.first_day, period.last_day)
    whole, bare = [], []
    for number in range(runs + 1):
        whole.append(_ms(stack, lambda: use.of(tenant, period, calendar, Terms())))
        bare.append(_ms(stack, lambda: stack.postgres.connection.fetch(_BARE, *days, timeout=600)))
        if not number:
            whole, bare = [], []
    return found.sums.entries, whole, bare


def _ms(stack: Stack, ask: Callable[[], Awaitable[object]]) -> float:
    began = perf_counter()
    stack.postgres.run(ask())
    return (perf_counter() - began) * 1000


async def _world(stack: Stack) -> World:
    world = await World.open(
        Settings(postgres_url=stack.access.postgres_url, valkey_url=stack.access.valkey_url, postgres_timeout_s=600.0)
    )
    await world.directory.refresh()
    return world
