"""Where the screen's lines are read from: the routes of the API that each place and kind needs."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from tollbook.domain.agent import within
from tollbook.domain.meter import Unit
from tollbook.domain.money import nanos_from_usd
from tollbook.terminal.answers import (
    BudgetState,
    Fleet,
    Run,
    Runs,
    Spend,
    SpendLine,
    Sums,
    TenantLine,
    Tenants,
    WatchState,
)
from tollbook.terminal.api import Reader, ServerAway, part
from tollbook.terminal.top.rates import Rates
from tollbook.terminal.top.view import Gauge, Head, Kind, Line, Place, Reading
from tollbook.terminal.tree import guided, trees_of

_TENANTS_PAGE = 1_000
_RUNS_PAGE = 200
_GAUGES_MAX = 6
_SILENCE_S = 5.0

Key = TypeVar("Key")


class Feed:
    """Reads places by a `Reader`. `now` is a clock of seconds that only grows."""

    def __init__(self, reader: Reader, now: Callable[[], float]) -> None:
        self._reader = reader
        self._rates = Rates(now)

    def read(self, place: Place, kind: Kind) -> Reading:
        """What stands at a place now; raises as `Reader.get` does."""
        note = ""
        match kind:
            case Kind.TENANTS:
                lines, note = self._tenants()
            case Kind.AGENTS:
                lines = self._agents(place)
            case Kind.MODELS:
                lines = self._models(place)
            case Kind.RUNS:
                lines, note = self._runs(place)
            case Kind.INSTANCES:
                lines = self._instances(place)
        paced = tuple(self._paced(place, kind, line) for line in lines)
        head = self._fleet() if place == Place() else self._head(place, paced)
        return Reading(place=place, kind=kind, head=head, lines=paced, note=note)

    def _paced(self, place: Place, kind: Kind, line: Line) -> Line:
        seen = self._rates.seen((place, kind, line.key), line.sums.cost_nanos)
        return line if seen is None else msgspec.structs.replace(line, rate_nanos=seen)

    def _tenants(self) -> tuple[list[Line], str]:
        found = self._reader.get("/v1/tenants", Tenants, {"limit": _TENANTS_PAGE, "order": "spent"})
        note = f"the first {len(found.rows):,} by spend" if found.next is not None else ""
        return [_tenant_line(row) for row in found.rows], note

    def _agents(self, place: Place) -> list[Line]:
        sums = self._sums(place, lambda row: (row.tenant, row.agent), tenant=True, agent=True)
        return [Line(key=key, name=key[1], tenant=key[0], sums=own) for key, own in sums.items()]

    def _models(self, place: Place) -> list[Line]:
        sums = self._sums(place, lambda row: (row.model,), model=True)
        return [Line(key=key, name=key[0], sums=own) for key, own in sums.items()]

    def _sums(self, place: Place, key_of: Callable[[SpendLine], Key], **dimensions: bool) -> dict[Key, Sums]:
        """Today's sums at a place; the route has no filter but the tenant, so more dimensions narrow them here."""
        wanted = {**dimensions}
        if place.agent is not None:
            wanted["agent"] = True
        if place.model is not None:
            wanted["model"] = True
        found = self._reader.get("/v1/spend", Spend, {"tenant": place.tenant, "by": ",".join(sorted(wanted))})
        sums: dict[Key, Sums] = {}
        for row in found.rows:
            if place.agent is not None and not within(row.agent, place.agent):
                continue
            if place.model is not None and row.model != place.model:
                continue
            key, own = key_of(row), row.sums()
            sums[key] = sums[key] + own if key in sums else own
        return sums

    def _runs(self, place: Place) -> tuple[list[Line], str]:
        query = {"tenant": place.tenant, "agent": place.agent, "model": place.model, "limit": _RUNS_PAGE}
        found = self._reader.get("/v1/runs", Runs, query)
        lines = [
            Line(
                key=(row.tenant, row.run),
                name=row.run,
                tenant=row.tenant,
                sums=row.sums(),
                first_ts=row.first_ts,
                last_ts=row.last_ts,
                agents=row.agents,
            )
            for row in found.rows
        ]
        return lines, f"the {len(lines)} begun last" if found.next is not None else ""

    def _instances(self, place: Place) -> list[Line]:
        found = self._reader.get(f"/v1/runs/{part(place.run or '')}", Run, {"tenant": place.tenant})
        return [
            Line(
                key=(tree.tenant, each.agent),
                name=each.agent.rpartition("/")[2],
                tenant=tree.tenant,
                sums=each.inclusive,
                own_nanos=each.own.cost_nanos,
                guide=guide,
                costliest=each.costliest,
            )
            for tree in trees_of(found)
            for guide, each in guided(tree.roots)
        ]

    def _fleet(self) -> Head:
        found = self._reader.get("/v1/fleet", Fleet)
        return Head(
            spent_nanos=nanos_from_usd(found.today.cost_usd),
            limit_nanos=_nanos(found.limit_usd),
            burn_nanos=_nanos(found.burn_usd_per_hour),
            forecast_nanos=_nanos(found.forecast_today_usd),
            month_nanos=_nanos(found.this_month.cost_usd),
            unpriced_nanos=nanos_from_usd(found.today.unpriced_usd),
            unpriced_models=tuple(each.model for each in found.unpriced),
            calls=found.today.calls,
            calls_per_second=found.calls_per_second,
            throttled=tuple(dict.fromkeys(each.tenant for each in found.throttled)),
            lag_s=found.journal.lag_s,
            hours=tuple(nanos_from_usd(each.cost_usd) for each in found.hours),
        )

    def _head(self, place: Place, lines: tuple[Line, ...]) -> Head:
        if place.run is None:
            total = self._sums(place, lambda _: None).get(None, Sums())
        else:
            total = sum((line.sums for line in lines if not line.guide), Sums())
        whole = place.tenant is not None and place == Place(place.tenant)
        state = self._state(place.tenant) if whole and place.tenant is not None else None
        return Head(
            spent_nanos=total.cost_nanos,
            burn_nanos=self._rates.seen(place, total.cost_nanos),
            unpriced_nanos=total.unpriced_nanos,
            calls=total.calls,
            throttled=(place.tenant,) if state is not None and state.throttled and place.tenant else (),
            gauges=() if state is None else tuple(_gauges(state.budgets)),
        )

    def _state(self, tenant: str) -> WatchState | None:
        """What a tenant's budgets show; None while the server has no room for one who watches."""
        try:
            with self._reader.events("/v1/watch", {"tenant": tenant}, _SILENCE_S) as events:
                for name, text in events:
                    if name == "state":
                        return msgspec.json.decode(text, type=WatchState)
        except (ServerAway, msgspec.DecodeError):
            return None
        return None


def _tenant_line(row: TenantLine) -> Line:
    return Line(
        key=(row.tenant,),
        name=row.tenant,
        tenant=row.tenant,
        sums=Sums(calls=row.calls, cost_nanos=nanos_from_usd(row.spent_usd)),
        rate_nanos=_nanos(row.burn_usd_per_hour),
        limit_nanos=_nanos(row.limit_usd),
        forecast_nanos=_nanos(row.forecast_usd),
        throttled=row.throttled,
        reset_at=row.reset_at,
    )


def _gauges(budgets: Iterable[BudgetState]) -> list[Gauge]:
    """Budgets as bars: those that refuse first, then by how much of them is used."""
    found = [
        Gauge(
            label=_label(budget),
            unit=budget.unit,
            spent=_whole(budget, budget.spent) + _whole(budget, budget.held),
            limit=_whole(budget, budget.limit),
            refuses=budget.refuses,
            reset_at=budget.reset_at,
        )
        for budget in budgets
    ]
    found.sort(key=lambda gauge: (not gauge.refuses, -(gauge.spent / gauge.limit if gauge.limit else 1.0)))
    return found[:_GAUGES_MAX]


def _label(budget: BudgetState) -> str:
    what = "" if budget.scope == "tenant" else f" {budget.scope} {budget.match}"
    return f"{budget.id}{what}"


def _whole(budget: BudgetState, text: str) -> int:
    return nanos_from_usd(text) if budget.unit == Unit.USD else int(text)


def _nanos(usd: str | None) -> int | None:
    return None if usd is None else nanos_from_usd(usd)
