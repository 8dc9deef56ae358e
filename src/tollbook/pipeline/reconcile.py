"""A provider's report laid beside the ledger, by UTC day and model."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from tollbook.pipeline.drift import Cause, Side, causes_of
from tollbook.ports.reconcile import Booked, Bookings, Item, Report, Sellers

Key = tuple[date, str | None]
"""A UTC day, and a model by its own id; None for charges that name no model."""


class Tolerance(msgspec.Struct, frozen=True):
    """How far a line may drift: the greater of a share of the provider's amount, in percent, and an amount."""

    percent: Decimal = Decimal(1)
    nanos: int = 10_000_000

    def allows(self, drift_nanos: int, provider_nanos: int) -> bool:
        """Whether a drift is within what is tolerated."""
        share = abs(provider_nanos) * Fraction(self.percent) / 100
        return abs(drift_nanos) <= self.nanos or abs(drift_nanos) <= share


class Line(NamedTuple):
    """One day and model. `drift_nanos` is what the ledger has more than the provider."""

    day: date
    model: str | None
    provider: Side
    ledger: Side
    drift_nanos: int
    within: bool
    causes: tuple[Cause, ...]


class Reconciliation(NamedTuple):
    """All lines, in the order of days and models, with their sums. `remarks` are limits of the report itself."""

    provider: str
    first_day: date
    last_day: date
    lines: tuple[Line, ...]
    provider_nanos: int
    ledger_nanos: int
    remarks: tuple[str, ...]

    @property
    def within(self) -> bool:
        """Whether no line drifts further than is tolerated."""
        return all(line.within for line in self.lines)


class Reconcile:
    """The use case behind `tollbook reconcile`. Reads only."""

    def __init__(self, ledger: Bookings, sellers: Sellers) -> None:
        self._ledger = ledger
        self._sellers = sellers

    async def run(
        self, provider: str, report: Report, tolerance: Tolerance, *, tenant: str | None, today: date
    ) -> Reconciliation:
        """Lay a report beside what the ledger has of its days. `today` is the UTC day."""
        days = [item.day for item in report.items]
        first, last = min(days, default=today), max(days, default=today)
        # The days beside are read too: what crossed midnight stands there.
        near = timedelta(days=1)
        booked = await self._ledger.booked(first - near, last + near, tenant)
        theirs = self._theirs(provider, report.items)
        ours = self._ours(provider, booked)
        keys = {key for key in (*theirs, *ours) if first <= key[0] <= last}
        drifts = {key: _drift(theirs, ours, key) for key in (*theirs, *ours)}
        lines = []
        for key in sorted(keys, key=lambda key: (key[0], key[1] or "")):
            pair = (theirs.get(key, Side()), ours.get(key, Side()))
            within = tolerance.allows(drifts[key], pair[0].cost_nanos)
            beside = [drifts.get((key[0] + step, key[1]), 0) for step in (near, -near)]
            causes = () if within else causes_of(key, *pair, beside, report.step_nanos, today=today)
            lines.append(Line(*key, *pair, drifts[key], within, tuple(causes)))
        sums = [sum(line.provider.cost_nanos for line in lines), sum(line.ledger.cost_nanos for line in lines)]
        return Reconciliation(provider, first, last, tuple(lines), sums[0], sums[1], report.remarks)

    def _theirs(self, provider: str, items: Iterable[Item]) -> dict[Key, Side]:
        found: dict[Key, Side] = {}
        for item in items:
            key = (item.day, None if item.model is None else self._name(provider, item.model))
            found[key] = found.get(key, Side(known=False)).with_item(item)
        return found

    def _ours(self, provider: str, booked: Sequence[Booked]) -> dict[Key, Side]:
        found: dict[Key, Side] = {}
        for row in booked:
            seller = self._sellers.seller_of(row.provider, row.model)
            sold_by = seller[0] if seller is not None else (row.provider or "").lower()
            if sold_by != provider:
                continue
            key = (row.day, seller[1] if seller is not None else row.model.lower())
            found[key] = found.get(key, Side()).with_booked(row)
        return found

    def _name(self, provider: str, model: str) -> str:
        seller = self._sellers.seller_of(provider, model)
        return model.lower() if seller is None else seller[1]


def percent_text(drift_nanos: int, provider_nanos: int) -> str | None:
    """A drift in percent of the provider's amount, with two places; None where that is nothing.

    >>> percent_text(-5, 1000), percent_text(5, 0)
    ('-0.50', None)
    """
    if provider_nanos == 0:
        return None
    exact = Decimal(drift_nanos) * 100 / Decimal(abs(provider_nanos))
    return str(exact.quantize(Decimal("0.01"), ROUND_HALF_EVEN))


def _drift(theirs: Mapping[Key, Side], ours: Mapping[Key, Side], key: Key) -> int:
    return ours.get(key, Side()).cost_nanos - theirs.get(key, Side()).cost_nanos
