"""What the screen is about: a place in the fleet, one kind of line there, and the lines themselves."""

from enum import StrEnum

import msgspec

from tollbook.domain.money import usd_text
from tollbook.terminal.answers import Sums


class Kind(StrEnum):
    """What a line stands for."""

    TENANTS = "tenants"
    AGENTS = "agents"
    MODELS = "models"
    RUNS = "runs"
    INSTANCES = "instances"


class Place(msgspec.Struct, frozen=True):
    """Where the screen stands: everywhere, or at one tenant, agent, model or run."""

    tenant: str | None = None
    agent: str | None = None
    model: str | None = None
    run: str | None = None

    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of line that there are here, the first as it is entered."""
        if self.run is not None:
            return (Kind.INSTANCES,)
        if self.agent is not None:
            return (Kind.RUNS, Kind.AGENTS, Kind.MODELS)
        if self.model is not None:
            return (Kind.AGENTS, Kind.RUNS)
        if self.tenant is not None:
            return (Kind.AGENTS, Kind.MODELS, Kind.RUNS)
        return (Kind.TENANTS, Kind.AGENTS, Kind.MODELS, Kind.RUNS)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line. Money is nano-dollars; `rate_nanos` is by the hour; times are RFC 3339.

    `limit_nanos` and what belongs to it are a tenant's; `own_nanos`, `guide` and `costliest` an instance's.
    """

    key: tuple[str, ...]
    name: str
    tenant: str = ""
    sums: Sums = Sums()
    rate_nanos: int | None = None
    limit_nanos: int | None = None
    forecast_nanos: int | None = None
    throttled: bool = False
    reset_at: str | None = None
    first_ts: str | None = None
    last_ts: str | None = None
    agents: int | None = None
    own_nanos: int | None = None
    guide: str = ""
    costliest: bool = False

    @property
    def used(self) -> float | None:
        """The share of the limit that is spent; None where there is no limit."""
        if self.limit_nanos is None:
            return None
        return self.sums.cost_nanos / self.limit_nanos if self.limit_nanos else 1.0

    def document(self) -> dict[str, object]:
        """As `--json` shows it: members that do not apply are left out."""
        amounts = {
            "usd_per_hour": self.rate_nanos,
            "limit_usd": self.limit_nanos,
            "forecast_usd": self.forecast_nanos,
            "own_usd": self.own_nanos,
        }
        rest = {"reset_at": self.reset_at, "first_ts": self.first_ts, "last_ts": self.last_ts, "agents": self.agents}
        return {
            "name": self.name,
            **({"tenant": self.tenant} if self.tenant else {}),
            **self.sums.shown(),
            **{name: usd_text(nanos) for name, nanos in amounts.items() if nanos is not None},
            **({"throttled": self.throttled} if self.limit_nanos is not None else {}),
            **{name: value for name, value in rest.items() if value is not None},
        }


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """A budget as a bar. Amounts are whole: nano-dollars, tokens or calls, as `unit` says."""

    label: str
    unit: str
    spent: int
    limit: int
    refuses: bool = False
    reset_at: str | None = None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What stands above the lines: the whole place's day. None and nothing are what is not known."""

    spent_nanos: int = 0
    limit_nanos: int | None = None
    burn_nanos: int | None = None
    forecast_nanos: int | None = None
    month_nanos: int | None = None
    unpriced_nanos: int = 0
    unpriced_models: tuple[str, ...] = ()
    calls: int = 0
    calls_per_second: str | None = None
    throttled: tuple[str, ...] = ()
    lag_s: str | None = None
    hours: tuple[int, ...] = ()
    gauges: tuple[Gauge, ...] = ()


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a place at a moment. `note` says what was left out; `failure` why nothing could be read."""

    place: Place
    kind: Kind
    head: Head = Head()
    lines: tuple[Line, ...] = ()
    note: str = ""
    failure: str = ""

    def document(self) -> dict[str, object]:
        """As `--json` shows it."""
        return {
            "view": self.kind.value,
            **{name: value for name, value in msgspec.structs.asdict(self.place).items() if value is not None},
            "rows": [line.document() for line in self.lines],
        }
