"""A statement: lines, corrections of earlier periods, sums, and the rates that applied."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from tollbook.domain.period import Period, PeriodBounds
from tollbook.domain.window import ZoneCalendar
from tollbook.ports.clock import Clock
from tollbook.ports.statements import Close, Line, Lines, Rates, StatementStore
from tollbook.statements.markup import Markup, Terms
from tollbook.statements.rates import CEILING, RateCard, card_of, labels_of


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over lines: entries, calls, nano-dollars, tokens, and what is counted beside them by its unit."""

    entries: int = 0
    calls: int = 0
    cost_nanos: int = 0
    unpriced_nanos: int = 0
    estimated_nanos: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    units_unpriced: int = 0
    context_unknown: int = 0
    units: Mapping[str, int] = {}


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant is billed for a period.

    `usage` are lines of the period's own calls, `corrections` those of periods closed before. `as_of` is when an open
    period was looked at, None for a closed one: its statement never changes. `labels` names each rate card.
    """

    tenant: str
    period: Period
    bounds: PeriodBounds
    as_of: datetime | None
    close: Close | None
    before: Close | None
    digest: str | None
    first_ts: datetime | None
    last_ts: datetime | None
    usage: Sequence[Line]
    corrections: Sequence[Line]
    usage_sums: Sums
    correction_sums: Sums
    sums: Sums
    markup: Markup | None
    note: str | None
    rates: Sequence[RateCard]
    labels: Mapping[int, str]

    @property
    def total_nanos(self) -> int:
        """What is billed: the lines and the markup."""
        return self.sums.cost_nanos + (0 if self.markup is None else self.markup.nanos)

    def label_of(self, line: Line) -> str:
        """The name of the rate card that a line was priced by."""
        return CEILING if line.price_id is None else self.labels[line.price_id]


class Statements:
    """The use case behind `tollbook statement` and `/v1/statements`. Reads only."""

    def __init__(self, store: StatementStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def of(self, tenant: str, period: Period, calendar: ZoneCalendar, terms: Terms) -> Statement:
        """A tenant's statement; raises `StatementAltered` where a closed one is not what was kept."""
        found = await self._store.lines(tenant, period)
        shown = [line for line in found.lines if not _is_nothing(line)]
        labels = labels_of(shown)
        kept = await self._store.rates(list(labels))
        bounds = period.bounds(calendar) if found.sealed is None else found.sealed[0]
        return _statement(
            tenant, period, bounds, found, shown, labels=labels, kept=kept, terms=terms, now=self._clock.now()
        )


def sums_of(lines: Iterable[Line]) -> Sums:
    """The sum of lines."""
    found = list(lines)
    units: dict[str, int] = {}
    for line in found:
        for unit, count in line.units.items():
            units[unit] = units.get(unit, 0) + count
    return Sums(
        entries=sum(line.entries for line in found),
        calls=sum(line.calls for line in found),
        cost_nanos=sum(line.cost_nanos for line in found),
        unpriced_nanos=sum(line.unpriced_nanos for line in found),
        estimated_nanos=sum(line.estimated_nanos for line in found),
        input=sum(line.input for line in found),
        cache_read=sum(line.cache_read for line in found),
        cache_write=sum(map(cache_write, found)),
        output=sum(line.output for line in found),
        reasoning=sum(line.reasoning for line in found),
        units_unpriced=sum(line.units_unpriced for line in found),
        context_unknown=sum(line.context_unknown for line in found),
        units=dict(sorted(units.items())),
    )


def cache_write(line: Line) -> int:
    """Tokens written to caches of any lifetime."""
    return line.cache_write_5m + line.cache_write_1h


def _statement(
    tenant: str,
    period: Period,
    bounds: PeriodBounds,
    found: Lines,
    shown: Sequence[Line],
    *,
    labels: Mapping[int, str],
    kept: Mapping[int, Rates],
    terms: Terms,
    now: datetime,
) -> Statement:
    usage = [line for line in shown if line.period == period.text]
    corrections = [line for line in shown if line.period != period.text]
    # What adds up to nothing is not shown and is an entry all the same.
    sums = msgspec.structs.replace(sums_of(shown), entries=sum(line.entries for line in found.lines))
    return Statement(
        tenant=tenant,
        period=period,
        bounds=bounds,
        as_of=now if found.close is None else None,
        close=found.close,
        before=found.before,
        digest=None if found.sealed is None else found.sealed[1].hex(),
        first_ts=found.first_ts,
        last_ts=found.last_ts,
        usage=usage,
        corrections=corrections,
        usage_sums=sums_of(usage),
        correction_sums=sums_of(corrections),
        sums=sums,
        markup=terms.markup(sums.cost_nanos),
        note=terms.note,
        rates=[card_of(label, price_id, kept.get(price_id)) for price_id, label in labels.items()],
        labels=labels,
    )


def _is_nothing(line: Line) -> bool:
    """Whether everything in a line has been taken back."""
    counts = (line.input, line.output, line.cache_read, line.cache_write_5m, line.cache_write_1h, line.reasoning)
    return not (line.calls or line.cost_nanos or any(counts) or line.units)
