"""Re-pricing on real servers: what stands gets the price of today, once, whatever ends a run."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from tests.contract.ledger_case import LedgerCase, open_case
from tests.contract.test_corrections import assert_sound, seen
from tests.core_world import FrozenClock, event
from tollbook.domain.errors import LedgerUnavailable
from tollbook.domain.event import Event, Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.ledger.repricing import PostgresRepricing
from tollbook.pipeline.reprice import Page, Reprice, RepriceSettings, Windows, counts_in_open_window
from tollbook.ports.reprice import Range, Standing
from tollbook.pricing.quote import Quote

pytestmark = pytest.mark.anyio


@pytest.fixture
async def case(ledger_url: str, anyio_backend: str) -> AsyncIterator[LedgerCase]:
    async with open_case(ledger_url) as opened:
        yield opened


class Doubled(NamedTuple):
    """Rates of a later book: twice what `TokenPrices` asks, but for the model `same`."""

    factor: int
    price_id: int
    flags: int = 0

    def cost_nanos(self, event: Event, units: Mapping[str, int] | None = None) -> int:
        return (event.input + event.output) * self.factor + sum((units or {}).values()) * 1_000

    def quote(self, event: Event, units: Mapping[str, int] | None = None) -> Quote:
        return Quote(self.cost_nanos(event, units), self.price_id, self.flags)


class LaterPrices:
    def rates(
        self,
        provider: str | None,
        model: str,
        service_tier: str | None,
        at: datetime,
        *,
        tenant: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> Doubled:
        if context is not None:
            return Doubled(7, 7) if (tenant, context) == ("acme", {"speed": "fast"}) else Doubled(0, 0)
        return Doubled(1, 1) if model == "same" else Doubled(2, 2)


def use_of(case: LedgerCase, page: int = 3) -> Reprice:
    ledger = PostgresRepricing(case.pool, case.queries)
    settings = RepriceSettings(page_entries_max=page)
    return Reprice(ledger, LaterPrices(), FrozenClock(), limits=IntakeLimits(), settings=settings)


def always(case: LedgerCase, **only: str) -> Range:
    return Range(case.now - timedelta(days=400), case.now + timedelta(days=1), **only)


async def run(case: LedgerCase, within: Range | None = None, **how: object) -> list[Page]:
    return [page async for page in use_of(case).run(0, within or always(case), **how)]


async def spent(case: LedgerCase) -> dict[str, tuple[int, int]]:
    rows = await case.rows("SELECT tenant_id, sum(calls)::int, sum(cost_nanos)::int FROM daily_spend GROUP BY 1")
    return {row[0]: (row[1], row[2]) for row in rows}


async def test_what_a_price_depends_on_is_kept_through_corrections_and_prices(case: LedgerCase) -> None:
    """The tenant and the price's context are asked with, of the call itself as of what replaced it."""
    await case.book(event(nanos=5, id="fast", context={"speed": "fast"}))
    await case.book(seen(Observer.LEAF, 5, context={"speed": "slow"}))
    await case.book(seen(Observer.SDK, 6, context={"speed": "fast"}))
    assert sum(page.written for page in await run(case)) == 2
    assert await spent(case) == {"acme": (2, 7 * 5 + 7 * 6)}
    assert await run(case) == [Page(2, 0, 0, {})]


async def test_what_stands_is_priced_anew_once(case: LedgerCase) -> None:
    """Originals and replacements alike get the later price; a second run finds nothing to write."""
    await case.book(*(event(nanos=10, id=f"e{number}") for number in range(7)), event(nanos=5, id="s", model="same"))
    await case.book(seen(Observer.LEAF, 5, units={"web_searches": 1}))
    await case.book(seen(Observer.SDK, 6, units={"web_searches": 2}))
    assert await spent(case) == {"acme": (9, 81)}
    version = (await case.ledger.standing(0)).version
    assert sum(page.written for page in await run(case)) == 8
    assert await spent(case) == {"acme": (9, 140 + 5 + 12 + 2_000)}
    assert (await case.ledger.standing(0)).version > version
    entries, again = len(await case.entries()), await run(case)
    assert [(page.written, page.changes) for page in again] == [(0, {})] * len(again)
    assert len(await case.entries()) == entries
    rows = await case.rows(
        "SELECT cost_nanos, price_id, calls FROM entry WHERE event_id = 'e1' ORDER BY nth NULLS FIRST, calls"
    )
    assert [tuple(row) for row in rows] == [(10, 1, 1), (-10, 1, -1), (20, 2, 1)]
    await assert_sound(case)


async def test_a_dry_run_tells_the_sums_and_writes_nothing(case: LedgerCase) -> None:
    """By tenant and model: how many entries, what they cost and would cost."""
    await case.book(event(nanos=10, id="a"), event("other", 4, id="b", model="n"), event(nanos=5, id="s", model="same"))
    version = (await case.ledger.standing(0)).version
    (page,) = await run(case, dry=True)
    assert page.changes == {("acme", "m"): (1, 10, 20), ("other", "n"): (1, 4, 8)}
    assert (page.written, (await case.ledger.standing(0)).version) == (0, version)


async def test_what_the_price_depends_on_is_asked_again(case: LedgerCase) -> None:
    """Units, context, service tier and provider reach the book of today as the event had them."""
    told = {"units": {"web_searches": 2}, "context": {"speed": "fast"}, "service_tier": "batch", "provider": "p"}
    await case.book(event(nanos=9, cache_read=3, cache_write_5m=2, cache_write_1h=1, run="r", **told))
    (one,) = await PostgresRepricing(case.pool, case.queries).page(0, always(case), None, 10)
    assert one.event == event(nanos=9, cache_read=3, cache_write_5m=2, cache_write_1h=1, run="r", **told)


async def test_a_range_a_tenant_and_a_model_narrow_it(case: LedgerCase) -> None:
    """Nothing outside what was named is touched."""
    early = case.now - timedelta(days=3)
    await case.book(event(nanos=10, id="a", ts=early), event("other", 4, id="b"), event(nanos=3, id="c", model="n"))
    await run(case, always(case, tenant="acme", model="n"))
    assert await spent(case) == {"acme": (2, 16), "other": (1, 4)}
    await run(case, Range(early, early + timedelta(hours=1)))
    assert await spent(case) == {"acme": (2, 26), "other": (1, 4)}


async def test_a_run_that_is_cut_short_anywhere_is_finished_by_the_next(case: LedgerCase) -> None:
    """Ended behind any page, another run does the rest; each entry is replaced once."""
    await case.book(*(event(nanos=10, id=f"e{number}") for number in range(9)))
    for pages in range(1, 4):
        cut = use_of(case, page=2).run(0, always(case))
        for _ in range(pages):
            await anext(cut)
        await cut.aclose()
        await assert_sound(case)
    await run(case)
    assert await spent(case) == {"acme": (9, 180)}
    assert len(await case.entries()) == 27


STATEMENTS = (
    "partition_lock", "reprice_stage", "entry_insert", "daily_spend_add", "rollup_hour_add", "run_total_add",
    "batch_close",
)  # fmt: skip


async def test_whoever_dies_within_a_page_leaves_nothing_of_it(case: LedgerCase) -> None:
    """Gone behind any statement of the transaction, a page is absent; gone behind its commit, it is whole."""
    await case.book(*(event(nanos=10, id=f"e{number}", run="r") for number in range(4)))
    for name in STATEMENTS:
        dying = PostgresRepricing(DyingPool(case, case.queries[name]), case.queries)
        broken = Reprice(dying, LaterPrices(), FrozenClock(), limits=IntakeLimits())
        with pytest.raises(LedgerUnavailable):
            await anext(broken.run(0, always(case)))
        assert await spent(case) == {"acme": (4, 40)}, name
        await assert_sound(case)
    assert sum(page.written for page in await run(case)) == 4
    assert await spent(case) == {"acme": (4, 80)}
    await assert_sound(case)


class DyingPool:
    """A pool whose connections are cut behind one statement, as the death of the process would cut them."""

    def __init__(self, case: LedgerCase, dies_behind: str) -> None:
        self._case = case
        self._dies_behind = dies_behind
        self._connection: Any = None

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["DyingPool"]:
        async with self._case.pool.acquire() as self._connection:
            yield self

    def transaction(self) -> Any:
        return self._connection.transaction()

    async def fetch(self, query: str, *args: object) -> Any:
        return self._lived(query, await self._connection.fetch(query, *args))

    async def fetchrow(self, query: str, *args: object) -> Any:
        return self._lived(query, await self._connection.fetchrow(query, *args))

    async def execute(self, query: str, *args: object) -> Any:
        return self._lived(query, await self._connection.execute(query, *args))

    def _lived(self, query: str, answer: Any) -> Any:
        if query == self._dies_behind:
            self._connection.terminate()
            raise ConnectionResetError("cut")
        return answer


async def test_an_observation_behind_a_new_price_replaces_the_new_one(case: LedgerCase) -> None:
    """Re-pricing and better observations correct one another in any order."""
    await case.book(seen(Observer.LEAF, 5))
    await run(case)
    assert await spent(case) == {"acme": (1, 10)}
    await case.book(seen(Observer.SDK, 6))
    assert await spent(case) == {"acme": (1, 6)}
    await run(case)
    assert await spent(case) == {"acme": (1, 12)}
    await assert_sound(case)


def standing(day: date, run: str | None = None) -> Standing:
    ts = datetime.combine(day, datetime.min.time()).astimezone()
    return Standing(ts, "x", event(run=run), day, 1, 1, 0, None)


async def test_open_windows_are_left_alone_where_that_is_asked(case: LedgerCase) -> None:
    """An entry of this month counts in an open window, one of two months ago in none."""
    await case.book(event(nanos=10, id="now"))
    (page,) = await run(case, windows=Windows.KEEP)
    assert (page.kept, page.written) == (1, 0)
    now = datetime(2026, 11, 28, 12).astimezone()
    assert counts_in_open_window(standing(date(2026, 11, 1)), now)
    assert not counts_in_open_window(standing(date(2026, 10, 25)), now)
    assert counts_in_open_window(standing(date(2026, 10, 31), "r1"), now)
    assert counts_in_open_window(standing(date(2026, 11, 30)), datetime(2026, 12, 2, 1).astimezone())
    assert not counts_in_open_window(standing(date(2026, 12, 31)), datetime(2027, 2, 2, 12).astimezone())
