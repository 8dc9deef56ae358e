"""Prices what stands anew, by the price book of today: `docs/rooms/corrections.md`.

Exactly once without a memory of its own: a page is one transaction of the ledger, and what is done has the present
price, so that a second run, after whatever end of the first, finds the rest and nothing else.
"""

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from tollbook.domain.errors import UnitsRefused
from tollbook.domain.limits import IntakeLimits
from tollbook.pipeline.resolve import flag_of, price_of
from tollbook.ports.clock import Clock
from tollbook.ports.prices import Prices
from tollbook.ports.reprice import Range, Repriced, Repricing, Standing

_CLOSED_EVERYWHERE = timedelta(hours=26)
"""Behind midnight UTC, a day has ended in every zone."""
_RUN_KEPT = timedelta(days=35)


class Windows(StrEnum):
    """What becomes of budgets whose window is open."""

    ADJUST = "adjust"
    """Their settled totals move with the entries."""
    KEEP = "keep"
    """Entries that count in an open window are left as they are."""


class RepriceSettings(msgspec.Struct, frozen=True):
    """How many entries are read and replaced at one go: the partition is locked for a page."""

    page_entries_max: int = 1_000


class Page(NamedTuple):
    """What came of some entries: how many were read and left alone for their windows, and the changes."""

    seen: int
    kept: int
    written: int
    changes: dict[tuple[str, str], "Change"]


class Change(NamedTuple):
    """Entries of one tenant and model, and what they cost before and after."""

    entries: int
    before_nanos: int
    after_nanos: int

    def plus(self, other: "Change") -> "Change":
        """Both together."""
        return Change(*(mine + its for mine, its in zip(self, other, strict=True)))


class Reprice:
    """The use case behind `tollbook reprice`."""

    def __init__(
        self,
        ledger: Repricing,
        prices: Prices,
        clock: Clock,
        *,
        limits: IntakeLimits,
        settings: RepriceSettings | None = None,
    ) -> None:
        self._ledger = ledger
        self._prices = prices
        self._clock = clock
        self._limits = limits
        self._settings = settings or RepriceSettings()

    async def count(self, partition: int, within: Range) -> int:
        """How many entries a run over the partition looks at."""
        return await self._ledger.count(partition, within)

    async def run(
        self, partition: int, within: Range, *, windows: Windows = Windows.ADJUST, dry: bool = False
    ) -> AsyncIterator[Page]:
        """Go through a partition page by page; each is committed when it is answered. A dry run writes nothing."""
        after: tuple[datetime, str] | None = None
        while True:
            page = await self._ledger.page(partition, within, after, self._settings.page_entries_max)
            if not page:
                return
            after = (page[-1].ts, page[-1].entry_id)
            now = self._clock.now()
            open_ = [one for one in page if windows is Windows.KEEP and counts_in_open_window(one, now)]
            left = {one.entry_id for one in open_}
            repriced: list[Repriced] = []
            changes: dict[tuple[str, str], Change] = {}
            for one in page:
                anew = None if one.entry_id in left else self._anew(one)
                if anew is None:
                    continue
                repriced.append(anew)
                key = (one.event.tenant, one.event.model)
                change = Change(1, one.cost_nanos, anew.cost_nanos)
                changes[key] = changes[key].plus(change) if key in changes else change
            written = await self._ledger.reprice(partition, repriced, now) if repriced and not dry else 0
            yield Page(len(page), len(open_), written, changes)

    def _anew(self, one: Standing) -> Repriced | None:
        """The entry at the price of today; None where it has it already, or would pass the bound of one event."""
        event = one.event
        try:
            cost, price_id, flags = price_of(self._prices, event, one.ts)
        except UnitsRefused:
            # The book of today does not know what it was sold by: the price it had stands.
            return None
        if (cost, price_id) == (one.cost_nanos, one.price_id) or cost > self._limits.cost_nanos_max:
            return None
        if one.reported_nanos is not None:
            flags |= flag_of(one.reported_nanos, cost, flags, self._limits)
        return Repriced(one.ts, one.entry_id, cost, price_id, flags)


def counts_in_open_window(one: Standing, now: datetime) -> bool:
    """Whether some window that a budget may have and the entry counts in is open yet: its week, its month, its run."""
    if one.event.run is not None and one.ts > now - _RUN_KEPT:
        return True
    week_end = one.day + timedelta(days=7 - one.day.weekday())
    month_end = date(one.day.year + one.day.month // 12, one.day.month % 12 + 1, 1)
    return max(week_end, month_end) > (now - _CLOSED_EVERYWHERE).date()
