"""What the API answers, as far as a terminal shows it. Members that a server adds are left aside."""

from typing import Self

import msgspec

from tollbook.domain.money import nanos_from_usd, usd_text


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Calls, dollars and tokens of some entries."""

    calls: int = 0
    cost_usd: str = "0"
    unpriced_usd: str = "0"
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    def sums(self) -> "Sums":
        """The same with money as whole nano-dollars."""
        return Sums(
            calls=self.calls,
            cost_nanos=nanos_from_usd(self.cost_usd),
            unpriced_nanos=nanos_from_usd(self.unpriced_usd),
            input=self.input,
            output=self.output,
            cache_read=self.cache_read,
            cache_write=self.cache_write,
            reasoning=self.reasoning,
        )


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Calls, nano-dollars and tokens, to be added up."""

    calls: int = 0
    cost_nanos: int = 0
    unpriced_nanos: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(**{
            name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__
        })  # fmt: skip

    def shown(self) -> dict[str, int | str]:
        """The members as the API writes them."""
        return {
            "calls": self.calls,
            "cost_usd": usd_text(self.cost_nanos),
            "unpriced_usd": usd_text(self.unpriced_nanos),
            "input": self.input,
            "output": self.output,
            "cache_read": self.cache_read,
            "cache_write": self.cache_write,
            "reasoning": self.reasoning,
        }


class SpendLine(Figures, frozen=True, kw_only=True):
    """One group of `/v1/spend`."""

    tenant: str = ""
    day: str = ""
    hour: str = ""
    agent: str = ""
    model: str = ""


class Spend(msgspec.Struct, frozen=True, rename={"first_day": "from", "last_day": "to"}):
    """`GET /v1/spend`."""

    rows: list[SpendLine]
    total: Figures
    first_day: str
    last_day: str


class RunLine(Figures, frozen=True, kw_only=True):
    """What one agent instance spent on one model in a run."""

    tenant: str
    agent: str
    model: str
    first_ts: str
    last_ts: str


class Run(msgspec.Struct, frozen=True):
    """`GET /v1/runs/<run>`."""

    run: str
    first_ts: str
    last_ts: str
    total: Figures
    rows: list[RunLine]


class RunSummary(Figures, frozen=True, kw_only=True):
    """One run of `GET /v1/runs`."""

    tenant: str
    run: str
    first_ts: str
    last_ts: str
    agents: int = 0
    models: list[str] = []


class Runs(msgspec.Struct, frozen=True):
    """`GET /v1/runs`."""

    rows: list[RunSummary]
    next: str | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, as far as a line shows it."""

    entry_id: str
    ts: str
    tenant: str
    agent: str
    model: str
    run: str | None = None
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cost_usd: str = "0"
    flags: list[str] = []
    corrects: str | None = None
    calls: int = 1
    estimated: bool = False


class TenantLine(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant's open day, of `GET /v1/tenants`."""

    tenant: str
    day: str = ""
    time_zone: str = "UTC"
    calls: int = 0
    spent_usd: str = "0"
    limit_usd: str | None = None
    throttled: bool = False
    reset_at: str | None = None
    burn_usd_per_hour: str | None = None
    forecast_usd: str | None = None


class Tenants(msgspec.Struct, frozen=True):
    """`GET /v1/tenants`."""

    rows: list[TenantLine]
    next: str | None = None


class HourLine(msgspec.Struct, frozen=True):
    """One hour of today."""

    hour: str
    calls: int
    cost_usd: str


class Unpriced(msgspec.Struct, frozen=True):
    """A model that has no price."""

    model: str
    calls: int = 0
    unpriced_usd: str = "0"


class Throttled(msgspec.Struct, frozen=True, kw_only=True):
    """A budget that refuses."""

    tenant: str
    reset_at: str | None = None


class JournalLag(msgspec.Struct, frozen=True):
    """What waits to be booked."""

    records: int | None = None
    lag_s: str | None = None


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/fleet`."""

    day: str = ""
    today: Figures = Figures()
    this_month: Figures = Figures()
    limit_usd: str | None = None
    burn_usd_per_hour: str | None = None
    forecast_today_usd: str | None = None
    calls_per_second: str | None = None
    hours: list[HourLine] = []
    throttled: list[Throttled] = []
    unpriced: list[Unpriced] = []
    journal: JournalLag = JournalLag()


class BudgetState(msgspec.Struct, frozen=True, kw_only=True):
    """A budget that `/v1/watch` shows; amounts are dollars, or whole numbers, as text."""

    id: str
    scope: str
    match: str
    window: str
    unit: str
    limit: str
    spent: str
    held: str
    reset_at: str | None = None
    refuses: bool = False


class WatchState(msgspec.Struct, frozen=True):
    """One `state` event of `/v1/watch`."""

    tenant: str
    throttled: bool
    budgets: list[BudgetState]
