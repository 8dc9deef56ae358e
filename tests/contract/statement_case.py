"""A ledger whose months are closed, and an auditor that says by itself which statement each entry is in."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from tests.contract.ledger_case import LedgerCase, open_case
from tollbook.domain.event import Event
from tollbook.domain.period import Period
from tollbook.domain.window import calendar_of
from tollbook.ledger.audit import PostgresAudit
from tollbook.ledger.statements import PostgresStatements
from tollbook.ports.audit import Comparison, LedgerEquation
from tollbook.ports.statements import Close, Line, Lines

UTC_DAYS = calendar_of("UTC")


class Part(NamedTuple):
    """What a statement has of one month: entries, calls, nano-dollars, input, output."""

    entries: int = 0
    calls: int = 0
    cost_nanos: int = 0
    input: int = 0
    output: int = 0


class StatementCase(LedgerCase):
    """A ledger with the months around now, by name: `last` is over, `this` goes on, `next` comes."""

    def __init__(self, case: LedgerCase) -> None:
        self.__dict__.update(case.__dict__)
        self.statements = PostgresStatements(self.pool, self.queries)
        self.this = Period.holding(self.now.date())
        self.last = Period.holding(self.this.first_day - timedelta(days=1))
        self.before_last = Period.holding(self.last.first_day - timedelta(days=1))

    @property
    def late(self) -> datetime:
        """An instant of the last month that is not too old to be received."""
        return datetime.combine(self.last.last_day, time(23, 59, 59), tzinfo=UTC)

    async def close(self, period: Period, tenant: str | None = None) -> Close:
        close, is_new = await self.statements.close(tenant, period, "tester", self.now)
        assert is_new
        return close

    async def seal(self, tenant: str, period: Period) -> None:
        assert await self.statements.seal(tenant, period, period.bounds(UTC_DAYS))

    async def lines(self, period: Period, tenant: str = "acme") -> Lines:
        return await self.statements.lines(tenant, period)

    async def book_on(self, partition: int, *events: Event) -> int:
        """Book on any partition; the version of the transaction."""
        booked = await self.ledger.book(partition, self.batch(self.records(*events)), self.now)
        return booked.version

    async def equation(self) -> Comparison:
        """What `verify` says of closed statements."""
        return (await PostgresAudit(self.pool, self.queries).compare(None, self.now))[LedgerEquation.STATEMENT]


def summed(lines: Iterable[Line]) -> dict[str, Part]:
    """Lines by the month of their calls."""
    found: dict[str, Part] = defaultdict(Part)
    for line in lines:
        more = (line.entries, line.calls, line.cost_nanos, line.input, line.output)
        found[line.period] = Part(*(a + b for a, b in zip(found[line.period], more, strict=True)))
    return dict(found)


async def audited(case: StatementCase) -> Mapping[tuple[str, str], dict[str, Part]]:
    """By (tenant, statement), what each month gives it, judged entry by entry as the page states the rules."""
    closes = await case.rows("SELECT close_id, period, tenant, versions FROM period_close ORDER BY close_id")
    entries = await case.rows("SELECT tenant, day, partition, version, calls, cost_nanos, input, output FROM entry")
    found: dict[tuple[str, str], dict[str, Part]] = defaultdict(dict)
    for entry in entries:
        month = period = Period.holding(entry["day"])
        while True:
            closed = next(
                (c for c in closes if c["tenant"] in (entry["tenant"], "") and c["period"] >= period.first_day), None
            )
            if closed is None or entry["version"] <= closed["versions"][entry["partition"]]:
                break
            period = period.next
        parts = found[entry["tenant"], period.text]
        more = (1, entry["calls"], entry["cost_nanos"], entry["input"], entry["output"])
        parts[month.text] = Part(*(a + b for a, b in zip(parts.get(month.text, Part()), more, strict=True)))
    return found


async def assert_once(case: StatementCase) -> None:
    """Every entry is in exactly one statement: all of them together are all entries, each is as it should be."""
    expected = await audited(case)
    tenants = {tenant for tenant, _ in expected}
    months = {period for _, period in expected}
    for tenant in tenants:
        for period in months:
            found = summed((await case.lines(Period.of(period), tenant)).lines)
            assert found == expected.get((tenant, period), {}), (tenant, period)
    total = sum(part.cost_nanos for parts in expected.values() for part in parts.values())
    (row,) = await case.rows("SELECT sum(cost_nanos)::bigint AS daily FROM daily_spend")
    assert total == (row["daily"] or 0)
    equation = await case.equation()
    assert (equation.differing, equation.left) == (0, equation.right), equation.samples


@asynccontextmanager
async def open_statements(url: str) -> AsyncIterator[StatementCase]:
    async with open_case(url) as case:
        yield StatementCase(case)
