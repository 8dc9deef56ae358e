"""Where each tenant lives and which days it has: resolved once by the receiver, then carried in the record."""

from collections.abc import Mapping
from datetime import datetime
from zlib import crc32

from tollbook.domain.window import DayWindow, ZoneCalendar, calendar_of

_TENANTS_REMEMBERED_MAX = 100_000


class Tenancy:
    """Partitions and calendars under one version of the configuration.

    A tenant without an own entry lives on the partition its name hashes to, in the default zone.
    """

    def __init__(
        self,
        *,
        version: int = 0,
        partitions: int = 1,
        moved: Mapping[str, int] | None = None,
        calendars: Mapping[str, ZoneCalendar] | None = None,
        zone: str = "UTC",
    ) -> None:
        self.version = version
        self.partitions = partitions
        self._moved = dict(moved or {})
        self._calendars = dict(calendars or {})
        self._default = calendar_of(zone)
        self._partition_of: dict[str, int] = {}
        self._window_of: dict[str, DayWindow] = {}

    def partition_of(self, tenant: str) -> int:
        """The partition that holds all state of the tenant."""
        found = self._partition_of.get(tenant)
        if found is None:
            if len(self._partition_of) >= _TENANTS_REMEMBERED_MAX:
                self._partition_of.clear()
            found = self._moved.get(tenant, crc32(tenant.encode()) % self.partitions)
            self._partition_of[tenant] = found
        return found

    def window_at(self, tenant: str, at: datetime) -> DayWindow:
        """The tenant's day that holds the instant."""
        window = self._window_of.get(tenant)
        if window is None or not window.start <= at < window.end:
            if len(self._window_of) >= _TENANTS_REMEMBERED_MAX:
                self._window_of.clear()
            window = self.calendar_of(tenant).window_at(at)
            self._window_of[tenant] = window
        return window

    def calendar_of(self, tenant: str) -> ZoneCalendar:
        """The days of the tenant."""
        return self._calendars.get(tenant, self._default)

    def calendars(self) -> list[ZoneCalendar]:
        """Every calendar in use: the default one first."""
        return [self._default, *self._calendars.values()]
