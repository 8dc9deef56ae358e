"""A copy of each tenant's budgets, as the counters have them, ready to be matched against calls."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from tollbook.domain.budget import BudgetSet, Check
from tollbook.domain.meter import Attribution, Window, WindowKind, window_of
from tollbook.domain.tenancy import Tenancy
from tollbook.ports.holds import BudgetsCopy, Holds

_TENANTS_MAX = 20_000
_CALLS_MAX = 512
"""Different calls remembered with what they match, a tenant."""


class TenantBudgets:
    """One tenant's budgets of one version, under one configuration of days and zones."""

    def __init__(self, tenant: str, copy: BudgetsCopy, tenancy: Tenancy) -> None:
        self.versions = copy.versions
        self.budgets = (*copy.everyone, *copy.own)
        self.tenancy = tenancy
        self._tenant = tenant
        self._set = BudgetSet(self.budgets)
        self._kinds = self._set.kinds() - {WindowKind.RUN}
        self._ends = sorted(budget.expires_at for budget in self.budgets if budget.expires_at is not None)
        self._windows: dict[WindowKind, Window | None] = {}
        self._from = self._until = datetime.min.replace(tzinfo=UTC)
        self._matched: dict[object, list[Check]] = {}

    def matching(self, call: Attribution, at: datetime) -> list[Check]:
        """The budgets that the call must pass at an instant."""
        if not self._from <= at < self._until:
            self._advance(at)
        key = (call.agent, call.model, call.run, None if call.tags is None else tuple(sorted(call.tags.items())))
        found = self._matched.get(key)
        if found is None:
            if len(self._matched) >= _CALLS_MAX:
                self._matched.clear()
            found = self._matched[key] = self._set.matching(call, self.windows(call.run), at)
        return found

    def matched_at(self, call: Attribution, at: datetime) -> list[Check]:
        """The budgets of today in the windows of another instant: those of a hold made then."""
        day, calendar = self.tenancy.window_at(self._tenant, at), self.tenancy.calendar_of(self._tenant)
        windows = {kind: window_of(kind, at, day, calendar, call.run) for kind in WindowKind}
        return self._set.matching(call, windows, at)

    def windows(self, run: str | None) -> dict[WindowKind, Window | None]:
        """The windows in force since the last match."""
        return {**self._windows, WindowKind.RUN: None if run is None else Window(f"run:{run}", None, None)}

    def _advance(self, at: datetime) -> None:
        """Name the windows anew; they and what matches hold until the first of them ends, or a budget does."""
        day, calendar = self.tenancy.window_at(self._tenant, at), self.tenancy.calendar_of(self._tenant)
        self._windows = {kind: window_of(kind, at, day, calendar) for kind in self._kinds}
        bounds = [(window.start, window.end) for window in self._windows.values() if window is not None]
        starts = [day.start, *(start for start, _ in bounds if start is not None)]
        ends = [day.end, *(end for _, end in bounds if end is not None), *(end for end in self._ends if end > at)]
        self._from = max([*starts, *(end for end in self._ends if end <= at)])
        self._until = min(ends)
        self._matched.clear()


class Copies:
    """The copies of this process: loaded once, and anew where the counters call one stale."""

    def __init__(self, holds: Holds, tenancy: Callable[[], Tenancy]) -> None:
        self._holds = holds
        self._tenancy = tenancy
        self._known: dict[str, TenantBudgets] = {}
        self._loading: dict[str, asyncio.Future[TenantBudgets]] = {}

    def known(self, tenant: str) -> TenantBudgets | None:
        """The copy at hand, however old."""
        return self._known.get(tenant)

    async def of(self, tenant: str) -> TenantBudgets:
        """The copy at hand, or a fresh one. Raises `JournalUnavailable` where there is none and Valkey is away."""
        found = self._known.get(tenant)
        if found is not None:
            tenancy = self._tenancy()
            if found.tenancy is not tenancy:
                copy = BudgetsCopy(found.budgets, found.versions[0], (), found.versions[1])
                found = self._known[tenant] = TenantBudgets(tenant, copy, tenancy)
            return found
        return await self._load(tenant)

    async def reload(self, tenant: str, stale: TenantBudgets) -> TenantBudgets:
        """A copy other than the one that was found stale; callers that find it at once share one load."""
        known = self._known.get(tenant)
        if known is not None and known.versions != stale.versions:
            return known
        return await self._load(tenant)

    async def _load(self, tenant: str) -> TenantBudgets:
        loading = self._loading.get(tenant)
        if loading is None:
            loading = asyncio.ensure_future(self._read(tenant))
            self._loading[tenant] = loading
            loading.add_done_callback(lambda _: self._loading.pop(tenant, None))
        # One caller that goes away must not take the load from the others.
        return await asyncio.shield(loading)

    async def _read(self, tenant: str) -> TenantBudgets:
        tenancy = self._tenancy()
        copy = await self._holds.budgets(tenancy.partition_of(tenant), tenant)
        if len(self._known) >= _TENANTS_MAX:
            self._known.clear()
        found = self._known[tenant] = TenantBudgets(tenant, copy, tenancy)
        return found
