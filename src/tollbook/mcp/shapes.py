"""What tools answer, and what the HTTP API answers them: the same members by the same names."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Usd = Annotated[str, Field(pattern=r"^-?\d+\.\d{9}$", description="US dollars as decimal text, exact to 1e-9 USD.")]


class Shape(BaseModel):
    """Frozen; members that a newer API adds are left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class OwnKey(Shape):
    """The key that a caller uses."""

    key_id: str
    role: Literal["admin", "ingest", "read"]
    tenant: str | None
    agent: str | None
    run: str | None
    expires_at: str | None


class Figures(Shape):
    """Calls, dollars and tokens; `unpriced_usd` is the part of `cost_usd` taken at the ceiling for want of a price."""

    calls: int
    cost_usd: Usd
    unpriced_usd: Usd
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


class SpendRow(Figures):
    """One group: it names the dimensions asked for."""

    tenant: str | None = None
    day: str | None = None
    hour: str | None = None
    agent: str | None = None
    model: str | None = None


class Spend(Shape):
    """Sums over days, the dearest group first; `rows_left_off` groups are in `total` and not in `rows`."""

    from_day: str = Field(alias="from")
    to_day: str = Field(alias="to")
    total: Figures
    rows: list[SpendRow]
    rows_left_off: int = 0


class Status(Shape):
    """A tenant's open day: spent = settled + pending + held. Null amounts are not known while counters are away."""

    tenant: str
    day: str
    spent_usd: Usd
    settled_usd: Usd
    pending_usd: Usd | None
    held_usd: Usd | None
    limit_usd: Usd | None
    remaining_usd: Usd | None
    throttled: bool
    reset_at: str
    time_zone: str
    source: Literal["counters", "ledger"]


class RunRow(Figures):
    """What one agent instance spent on one model."""

    tenant: str
    agent: str
    model: str
    first_ts: str
    last_ts: str


class Throttle(Shape):
    """A budget that refuses calls. `scope` and `value` say of what: a tenant, an agent, a model, a run, a tag."""

    tenant: str
    scope: str
    value: str
    window: str
    budget: str = Field(description="The id of the budget.")
    unit: str
    limit: str = Field(description="In `unit`: dollars as decimal text, else a whole number.")
    reset_at: str | None = Field(description="When its window ends; null for a run's, which does not.")


class Tenant(Shape):
    """A tenant in its own open day, by what is booked. Forecasts go on at the present pace; null: too early to say."""

    tenant: str
    day: str
    time_zone: str
    calls: int
    spent_usd: Usd
    unpriced_usd: Usd
    limit_usd: Usd | None
    throttled: bool
    reset_at: str
    burn_usd_per_hour: Usd | None
    forecast_usd: Usd | None
    limit_reached_at: str | None
    yesterday_usd: Usd
    month_usd: Usd
    forecast_month_usd: Usd | None


class Tenants(Shape):
    """A page of tenants. `next` is the `cursor` of the page behind, null on the last."""

    rows: list[Tenant]
    next: str | None


class DearAgent(Shape):
    """What an agent, by its path of roles, spent today."""

    tenant: str
    agent: str
    calls: int
    cost_usd: Usd


class DearModel(Shape):
    """What was spent on a model today."""

    model: str
    calls: int
    cost_usd: Usd
    unpriced_usd: Usd


class Waiting(Shape):
    """What waits to be booked; null where Valkey does not answer."""

    records: int | None
    lag_s: str | None
    inbox_s: str | None


class Forecast(Shape):
    """What today and this month come to at the pace of the last one to two hours: a straight line, by what is booked.

    Null: the day is too young to say, or nothing limits it.
    """

    day: str
    as_of: str
    today: Figures
    this_month: Figures
    burn_usd_per_hour: Usd | None
    forecast_today_usd: Usd | None
    forecast_month_usd: Usd | None
    limit_usd: Usd | None = Field(description="Of the day: the sum of the daily limits of those who spent something.")
    limit_reached_at: str | None


class Fleet(Forecast):
    """Everything that a key sees, at one glance: the dearest tenants, agents and models, and what needs attention."""

    yesterday: Figures
    calls_per_second: str
    tenants_spending: int
    tenants: list[Tenant]
    agents: list[DearAgent]
    models: list[DearModel]
    throttled: list[Throttle]
    unpriced: list[DearModel]
    journal: Waiting


class ListedRun(Figures):
    """A run of a tenant: how many agent instances made calls in it, on which models, and what it came to."""

    tenant: str
    run: str
    first_ts: str
    last_ts: str
    agents: int
    models: list[str]


class Runs(Shape):
    """Those that began last first. `next` is the `cursor` of the page behind; a page may be short before the last."""

    rows: list[ListedRun]
    next: str | None


class Run(Shape):
    """A run as the API tells it."""

    run: str
    first_ts: str
    last_ts: str
    total: Figures
    rows: list[RunRow]


class AgentCost(Shape):
    """An agent instance of a run: what it spent itself, and with all below it."""

    agent: str
    calls: int
    own_usd: Usd
    inclusive_usd: Usd
    share_percent: str = Field(description="`inclusive_usd` of the run's total, in per cent with one decimal.")


class ModelCost(Shape):
    """What a run spent on a model."""

    model: str
    calls: int
    cost_usd: Usd
    unpriced_usd: Usd


class Refusal(Shape):
    """Calls alike that the gate refused; `budget` is the one that did, null where none decided."""

    agent: str
    model: str
    verdict: str
    budget: str | None
    times: int
    first_at: str
    last_at: str


class Refused(Shape):
    """A run's timeline, of which its refusals are looked at."""

    refusals: list[Refusal]


class RunExplained(Shape):
    """Where a run's money went. `costliest_path` follows, from the root, the child whose subtree cost most."""

    run: str
    tenant: str
    first_ts: str
    last_ts: str
    total: Figures
    agents: list[AgentCost]
    agents_left_off: int
    models: list[ModelCost]
    costliest_path: list[str]
    refusals: list[Refusal] = Field(default=[], description="Calls that the gate refused in this run.")


class Budget(Shape):
    """A limit in force. `tenant` is null for everyone's; one of the three limits is not null."""

    id: str
    tenant: str | None
    scope: str
    match: str
    window: str
    limit_usd: Usd | None
    limit_tokens: int | None
    limit_calls: int | None
    thresholds: list[int]
    action: str
    degrade_to: str | None
    mode: str | None
    fail: str | None
    expires_at: str | None
    version: int
    updated_at: str
    updated_by: str


class Budgets(Shape):
    """Everyone's first, then tenants' by name. `next` is the `cursor` of the page behind, null on the last."""

    rows: list[Budget]
    next: str | None


class Alert(Shape):
    """Something that rang. `tenant` is null for what concerns none."""

    alert_id: str
    raised_at: str
    type: str
    tenant: str | None
    text: str
    data: dict[str, object]


class Alerts(Shape):
    """Newest first. `next` is the `cursor` of the page behind, null on the last."""

    rows: list[Alert]
    next: str | None


class Problem(Shape):
    """Why the API refuses (RFC 9457)."""

    code: str = "unknown"
    detail: str = ""
