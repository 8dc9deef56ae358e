"""Views as JSON: dollars as decimal text with nine places, instants as RFC 3339 in UTC, null for what is not known."""

from collections.abc import Iterable

import msgspec

from tollbook.domain.meter import ScopeKind, Unit
from tollbook.domain.meter_parts import parts_of
from tollbook.domain.money import usd_text
from tollbook.ports.reading import SpendRow
from tollbook.ports.views import Dearest, Engaged
from tollbook.views.figures import Figures, figures_of, time_text
from tollbook.views.fleet import RATE, Fleet, Moment
from tollbook.views.tenants import TenantLine

_PLACES = 3


class TenantFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant in its own open day. `spent_usd` is booked; `share` is spent over limit, with three places."""

    tenant: str
    day: str
    time_zone: str
    calls: int
    spent_usd: str
    unpriced_usd: str
    limit_usd: str | None
    share: str | None
    throttled: bool
    reset_at: str
    burn_usd_per_hour: str | None
    forecast_usd: str | None
    limit_reached_at: str | None
    yesterday_usd: str
    month_usd: str
    forecast_month_usd: str | None


class HourFacts(msgspec.Struct, frozen=True):
    """The sum of one UTC hour, named by its start."""

    hour: str
    calls: int
    cost_usd: str


class DayFacts(msgspec.Struct, frozen=True):
    """The sum of one local day."""

    day: str
    calls: int
    cost_usd: str


class AgentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent, by its path of roles, spent today."""

    tenant: str
    agent: str
    calls: int
    cost_usd: str


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent on one model today; `unpriced_usd` is the part taken at the ceiling."""

    model: str
    calls: int
    cost_usd: str
    unpriced_usd: str


class ThrottleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A meter that refuses. `limit` is decimal dollars, or a whole number of tokens or calls, as `unit` says."""

    tenant: str
    scope: ScopeKind
    value: str
    window: str
    budget: str
    unit: Unit
    limit: str
    reset_at: str | None


class JournalFacts(msgspec.Struct, frozen=True):
    """What waits to be booked; null where Valkey does not answer."""

    records: int | None
    lag_s: str | None
    inbox_s: str | None


class FleetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet. `day` names each tenant's own day of that date; sums are of what is booked."""

    day: str
    month: str
    as_of: str
    today: Figures
    yesterday: Figures
    yesterday_by_now_usd: str
    this_month: Figures
    month_before_by_now_usd: str
    limit_usd: str | None
    burn_usd_per_hour: str | None
    forecast_today_usd: str | None
    forecast_month_usd: str | None
    limit_reached_at: str | None
    calls_per_second: str
    tenants_spending: int
    hours: list[HourFacts]
    days: list[DayFacts]
    tenants: list[TenantFacts]
    agents: list[AgentFacts]
    models: list[ModelFacts]
    throttled: list[ThrottleFacts]
    unpriced: list[ModelFacts]
    journal: JournalFacts


def fleet_facts(fleet: Fleet) -> FleetFacts:
    """The fleet as JSON."""
    return FleetFacts(
        day=fleet.day.isoformat(),
        month=f"{fleet.day:%Y-%m}",
        as_of=time_text(fleet.as_of),
        today=_figures(fleet.today),
        yesterday=_figures(fleet.yesterday),
        yesterday_by_now_usd=usd_text(fleet.yesterday_by_now),
        this_month=_figures(fleet.month),
        month_before_by_now_usd=usd_text(fleet.month_before_by_now),
        limit_usd=usd_or_none(fleet.limit),
        burn_usd_per_hour=usd_or_none(fleet.forecast.per_hour),
        forecast_today_usd=usd_or_none(fleet.forecast.day),
        forecast_month_usd=usd_or_none(fleet.month_forecast),
        limit_reached_at=None if fleet.forecast.limit_at is None else time_text(fleet.forecast.limit_at),
        calls_per_second=ratio_text(fleet.calls_last_minute, int(RATE.total_seconds()), 1),
        tenants_spending=fleet.tenants_spending,
        hours=_hours(fleet.hours),
        days=[DayFacts(moment.at.isoformat(), moment.calls, usd_text(moment.cost_nanos)) for moment in fleet.days],
        tenants=[tenant_facts(line) for line in fleet.tenants],
        agents=[_agent(one) for one in fleet.agents],
        models=[_model(one) for one in fleet.models],
        throttled=[throttle_facts(one) for one in fleet.throttled],
        unpriced=[_model(one) for one in fleet.unpriced],
        journal=JournalFacts(
            fleet.waiting.records, _seconds_text(fleet.waiting.lag_s), _seconds_text(fleet.waiting.inbox_s)
        ),
    )


def tenant_facts(line: TenantLine) -> TenantFacts:
    """A tenant's line as JSON."""
    return TenantFacts(
        tenant=line.tenant,
        day=line.day.isoformat(),
        time_zone=line.zone,
        calls=line.calls,
        spent_usd=usd_text(line.spent),
        unpriced_usd=usd_text(line.unpriced),
        limit_usd=usd_or_none(line.limit),
        share=None if not line.limit else ratio_text(line.spent, line.limit, _PLACES),
        throttled=line.throttled,
        reset_at=time_text(line.reset_at),
        burn_usd_per_hour=usd_or_none(line.forecast.per_hour),
        forecast_usd=usd_or_none(line.forecast.day),
        limit_reached_at=None if line.forecast.limit_at is None else time_text(line.forecast.limit_at),
        yesterday_usd=usd_text(line.yesterday),
        month_usd=usd_text(line.month),
        forecast_month_usd=usd_or_none(line.month_forecast),
    )


def throttle_facts(engaged: Engaged) -> ThrottleFacts:
    """A throttle as JSON."""
    parts = parts_of(engaged.meter)
    return ThrottleFacts(
        tenant=engaged.tenant,
        scope=parts.scope,
        value=parts.value,
        window=parts.kind.value,
        budget=engaged.budget_id,
        unit=parts.unit,
        limit=usd_text(engaged.limit) if parts.unit is Unit.USD else str(engaged.limit),
        reset_at=None if engaged.ends_at is None else time_text(engaged.ends_at),
    )


def usd_or_none(nanos: int | None) -> str | None:
    """Decimal dollars, or null."""
    return None if nanos is None else usd_text(nanos)


def ratio_text(part: int, whole: int, places: int) -> str:
    """A quotient of whole numbers as decimal text, rounded down.

    >>> ratio_text(5, 4, 3), ratio_text(750, 60, 1)
    ('1.250', '12.5')
    """
    scaled = part * 10**places // whole
    return f"{scaled // 10**places}.{scaled % 10**places:0{places}d}"


def _figures(row: SpendRow) -> Figures:
    return msgspec.convert(figures_of(row), Figures)


def _hours(moments: Iterable[Moment]) -> list[HourFacts]:
    return [
        HourFacts(moment.at.isoformat().replace("+00:00", "Z"), moment.calls, usd_text(moment.cost_nanos))
        for moment in moments
    ]


def _agent(one: Dearest) -> AgentFacts:
    return AgentFacts(
        tenant=one.tenant or "", agent=one.agent or "", calls=one.calls, cost_usd=usd_text(one.cost_nanos)
    )


def _model(one: Dearest) -> ModelFacts:
    return ModelFacts(
        model=one.model or "",
        calls=one.calls,
        cost_usd=usd_text(one.cost_nanos),
        unpriced_usd=usd_text(one.unpriced_nanos),
    )


def _seconds_text(seconds: float | None) -> str | None:
    return None if seconds is None else f"{max(seconds, 0.0):.1f}"
