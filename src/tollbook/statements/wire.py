"""A statement as JSON: dollars as decimal text with nine places, instants as RFC 3339 in UTC, 64-bit ids as text."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from tollbook.domain.money import usd_text
from tollbook.ports.statements import Close, Line
from tollbook.statements.rates import RateCard
from tollbook.statements.statement import Statement, Sums


class StatementSums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over entries. `unpriced_usd` and `estimated_usd` are parts of `cost_usd`."""

    entries: int
    calls: int
    cost_usd: str
    unpriced_usd: str
    estimated_usd: str
    input: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int
    units: Mapping[str, int]


class StatementLine(StatementSums, frozen=True, kw_only=True):
    """What one agent spent on one model at one rate card. `rate` names it in `rates`, or is `ceiling`."""

    period: str
    kind: str
    agent: str
    model: str
    provider: str | None
    rate: str
    price_id: str | None
    cache_write_5m: int
    cache_write_1h: int
    calls_units_unpriced: int
    calls_context_unknown: int


class UnitRateShown(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars per `per` units; `tiers` hold for the whole call behind so many input tokens."""

    unit: str
    usd: str
    per: int
    tiers: list[dict[str, int | str]]


class RateShown(msgspec.Struct, frozen=True, kw_only=True):
    """A rate card that lines of the statement were priced by. `factors` stand in its dollars already."""

    rate: str
    price_id: str
    provider: str
    model: str
    context: Mapping[str, str]
    effective_from: str | None
    effective_to: str | None
    factors: list[str]
    units: list[UnitRateShown]


class CloseShown(msgspec.Struct, frozen=True, kw_only=True):
    """When a period was closed and by whom. `with_period`: it was closed by the close of that later period."""

    closed_at: str
    closed_by: str
    everyone: bool
    with_period: str


class MarkupShown(msgspec.Struct, frozen=True, kw_only=True):
    """A percentage on the sum of the lines, rounded once, half to even."""

    percent: str
    markup_usd: str


class StatementShown(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's statement of one period. `closed` null: it is open, as of `as_of`, and may still change.

    `usage` and `corrections` add up to `sum`; with the markup that is `total_usd`. `digest` is the lines' SHA-256.
    """

    tenant: str
    period: str
    starts_at: str
    ends_at: str
    time_zone: str
    as_of: str | None
    closed: CloseShown | None
    period_before_closed: CloseShown | None
    digest: str | None
    first_ts: str | None
    last_ts: str | None
    usage: list[StatementLine]
    corrections: list[StatementLine]
    usage_sum: StatementSums
    correction_sum: StatementSums
    sum: StatementSums
    markup: MarkupShown | None
    total_usd: str
    currency: str
    note: str | None
    rates: list[RateShown]


def shown(statement: Statement) -> StatementShown:
    """The statement in the shape of its JSON."""
    markup = statement.markup
    return StatementShown(
        tenant=statement.tenant,
        period=statement.period.text,
        starts_at=instant_text(statement.bounds.start),
        ends_at=instant_text(statement.bounds.end),
        time_zone=statement.bounds.zone,
        as_of=_optional(statement.as_of),
        closed=close_shown(statement.close),
        period_before_closed=close_shown(statement.before),
        digest=statement.digest,
        first_ts=_optional(statement.first_ts),
        last_ts=_optional(statement.last_ts),
        usage=[_line(statement, line) for line in statement.usage],
        corrections=[_line(statement, line) for line in statement.corrections],
        usage_sum=_figures(statement.usage_sums),
        correction_sum=_figures(statement.correction_sums),
        sum=_figures(statement.sums),
        markup=None if markup is None else MarkupShown(percent=markup.percent, markup_usd=usd_text(markup.nanos)),
        total_usd=usd_text(statement.total_nanos),
        currency="USD",
        note=statement.note,
        rates=[_rate(card) for card in statement.rates],
    )


def close_shown(close: Close | None) -> CloseShown | None:
    """A close as answers show it."""
    if close is None:
        return None
    return CloseShown(
        closed_at=instant_text(close.closed_at),
        closed_by=close.closed_by,
        everyone=close.tenant is None,
        with_period=close.period.text,
    )


def kind_of(line: Line, statement: Statement) -> str:
    """`usage`, `late` (a call of a closed period that came late) or `correction` (of an entry there)."""
    if line.period == statement.period.text:
        return "usage"
    return "correction" if line.corrects else "late"


def instant_text(at: datetime) -> str:
    """An instant as RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _optional(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)


def _line(statement: Statement, line: Line) -> StatementLine:
    return StatementLine(
        period=line.period,
        kind=kind_of(line, statement),
        agent=line.agent,
        model=line.model,
        provider=line.provider,
        rate=statement.label_of(line),
        price_id=None if line.price_id is None else str(line.price_id),
        entries=line.entries,
        calls=line.calls,
        cost_usd=usd_text(line.cost_nanos),
        unpriced_usd=usd_text(line.unpriced_nanos),
        estimated_usd=usd_text(line.estimated_nanos),
        input=line.input,
        cache_read=line.cache_read,
        cache_write=line.cache_write_5m + line.cache_write_1h,
        cache_write_5m=line.cache_write_5m,
        cache_write_1h=line.cache_write_1h,
        output=line.output,
        reasoning=line.reasoning,
        units=line.units,
        calls_units_unpriced=line.units_unpriced,
        calls_context_unknown=line.context_unknown,
    )


def _figures(sums: Sums) -> StatementSums:
    return StatementSums(
        entries=sums.entries,
        calls=sums.calls,
        cost_usd=usd_text(sums.cost_nanos),
        unpriced_usd=usd_text(sums.unpriced_nanos),
        estimated_usd=usd_text(sums.estimated_nanos),
        input=sums.input,
        cache_read=sums.cache_read,
        cache_write=sums.cache_write,
        output=sums.output,
        reasoning=sums.reasoning,
        units=sums.units,
    )


def _rate(card: RateCard) -> RateShown:
    return RateShown(
        rate=card.label,
        price_id=str(card.price_id),
        provider=card.provider,
        model=card.model,
        context=card.context,
        effective_from=card.effective_from,
        effective_to=card.effective_to,
        factors=list(card.factors),
        units=[
            UnitRateShown(
                unit=unit.unit,
                usd=unit.usd,
                per=unit.per,
                tiers=[{"input_tokens_over": over, "usd": usd} for over, usd in unit.tiers],
            )
            for unit in card.units
        ],
    )
