"""Closing a period, and keeping its statements. docs/rooms/statements.md gives the rules."""

from collections.abc import AsyncIterator, Callable

from tollbook.domain.errors import ConfigError
from tollbook.domain.period import Period
from tollbook.domain.tenancy import Tenancy
from tollbook.ports.clock import Clock
from tollbook.ports.statements import Close, CloseListing, StatementStore

PAGE_TENANTS_MAX = 500


class PeriodOpen(ConfigError):  # noqa: N818 - a state of the world, not a mistake
    """The period is not over for everybody whom its close is for."""


class Closing:
    """The use case behind `tollbook period close`. Closing is one short transaction; sealing follows."""

    def __init__(self, store: StatementStore, clock: Clock, tenancy: Callable[[], Tenancy]) -> None:
        self._store = store
        self._clock = clock
        self._tenancy = tenancy

    async def close(self, tenant: str | None, period: Period, by: str) -> tuple[Close, bool]:
        """Close a period for a tenant or for everyone (None); the close it has, and whether it is a new one.

        Raises `PeriodOpen` before the period is over in every zone that it has to be over in.
        """
        tenancy, now = self._tenancy(), self._clock.now()
        calendars = tenancy.calendars() if tenant is None else [tenancy.calendar_of(tenant)]
        ends_at = max(period.bounds(calendar).end for calendar in calendars)
        if now < ends_at:
            raise PeriodOpen(f"{period.text} ends at {ends_at:%Y-%m-%dT%H:%MZ}: it can be closed from then on")
        return await self._store.close(tenant, period, by, now)

    async def closes(self, tenant: str | None) -> list[CloseListing]:
        """Closes, newest period first: all, or those that a tenant has."""
        return await self._store.closes(tenant)

    async def seal(self, close: Close, period: Period) -> AsyncIterator[int]:
        """Keep the statements of a closed period that are not kept yet; how many, page by page."""
        after = ""
        while True:
            tenants = await self._store.unsealed(close, period, after, PAGE_TENANTS_MAX)
            for tenant in tenants:
                bounds = period.bounds(self._tenancy().calendar_of(tenant))
                await self._store.seal(tenant, period, bounds)
            if tenants:
                yield len(tenants)
            if len(tenants) < PAGE_TENANTS_MAX:
                return
            after = tenants[-1]
