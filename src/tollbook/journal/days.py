"""Tenants and their days as the scripts take them: places of keys, names and instants, spelt once."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

import msgspec

from tollbook.domain.record import MeterTotal, Touch
from tollbook.domain.window import DayWindow
from tollbook.journal.keys import Keys

NAMES_MAX = 100_000
"""Tenants whose keys are remembered; each costs about a kilobyte."""
_pack = msgspec.msgpack.encode


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


class Named(NamedTuple):
    """A tenant's day as scripts take it."""

    partition: int
    window: DayWindow
    tenant_key: str
    flag_key: str
    spend_key: str
    day_key: str
    day: str
    start_ms: int
    end_ms: int
    span: str


class Names:
    """The day each tenant was last met in, by tenant: its keys and instants are spelt once, not for every record."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._known: dict[str, Named] = {}

    def of(self, partition: int, tenant: str, window: DayWindow) -> Named:
        found = self._known.get(tenant)
        if found is None or found.window != window or found.partition != partition:
            if len(self._known) >= NAMES_MAX:
                self._known.clear()
            day, start_ms, end_ms = window.day.isoformat(), _ms(window.start), _ms(window.end)
            found = self._known[tenant] = Named(
                partition,
                window,
                self.keys.tenant(partition, tenant),
                self.keys.throttled(tenant),
                self.keys.spend(tenant, window.day),
                self.keys.day(partition, day),
                day,
                start_ms,
                end_ms,
                f"{start_ms} {end_ms}",
            )
        return found


class Days:
    """Tenants and days of one script call, with the keys it must declare."""

    def __init__(self, names: Names, partition: int) -> None:
        self._names = names
        self._partition = partition
        self.index: dict[str, int] = {}
        self.dates: dict[str, int] = {}
        self.day_keys: list[str] = []
        self.tenant_keys: list[str] = []
        self._flag_keys: list[str] = []
        self._spend_keys: list[str] = []

    def named(self, touch: Touch) -> tuple[int, int, Named]:
        """The places of a tenant and of its day, from 1, and what they are called."""
        found = self._names.of(self._partition, touch.tenant, touch.window)
        self._spend_keys.append(found.spend_key)
        place = self.index.get(touch.tenant) or self._place(touch.tenant, found.tenant_key, found.flag_key)
        return place, self.dated(found.day, found.day_key), found

    def dated(self, day: str, day_key: str) -> int:
        """The place of a day, from 1."""
        place = self.dates.get(day)
        if place is None:
            place = self.dates[day] = len(self.dates) + 1
            self.day_keys.append(day_key)
        return place

    def add(self, tenant: str, day: date) -> int:
        """The place of a tenant whose day is known by its date only."""
        self._spend_keys.append(self._names.keys.spend(tenant, day))
        return self.of(tenant)

    def drained(self, tenant: str, day: date) -> tuple[int, int, str, str]:
        """A day that only records touch, as settle.lua takes it."""
        name = day.isoformat()
        return self.add(tenant, day), self.dated(name, self._names.keys.day(self._partition, name)), "", ""

    def of(self, tenant: str) -> int:
        """The place of a tenant of which no day is meant."""
        keys = self._names.keys
        place = self.index.get(tenant)
        return place or self._place(tenant, keys.tenant(self._partition, tenant), keys.throttled(tenant))

    def _place(self, tenant: str, tenant_key: str, flag_key: str) -> int:
        place = self.index[tenant] = len(self.index) + 1
        self.tenant_keys.append(tenant_key)
        self._flag_keys.append(flag_key)
        return place

    def touch(self, touch: Touch) -> tuple[int, str, str, int, int, str, int]:
        """What a record adds to a day, as lib/post_days.lua takes it."""
        place, dated, found = self.named(touch)
        return place, touch.tenant, found.day, found.start_ms, found.end_ms, str(touch.nanos), dated

    def total(self, touch: Touch) -> tuple[int, int, str, str]:
        """A day's total as settle.lua and rebuild_load.lua take it."""
        place, dated, found = self.named(touch)
        return place, dated, found.span, str(touch.nanos)

    def meter(self, total: MeterTotal) -> tuple[int, str, str, int]:
        """A meter's total as settle.lua and rebuild_load.lua take it."""
        return self.of(total.tenant), total.meter, str(total.total), total.until_ms

    def meters(self, meters: Iterable[tuple[str, str]]) -> bytes:
        """Tenants and meters, or tenants and holds, packed."""
        return _pack([(self.of(tenant), meter) for tenant, meter in meters])

    def packed_names(self) -> bytes:
        """The days and the tenants by name, as settle.lua and rebuild_load.lua take them."""
        return _pack((list(self.dates), list(self.index)))

    def derived_keys(self) -> list[str]:
        return [*self._flag_keys, *self._spend_keys]

    def hold_keys(self) -> list[str]:
        return [
            *(self._names.keys.holds(self._partition, tenant) for tenant in self.index),
            *(self._names.keys.expiries(self._partition, tenant) for tenant in self.index),
        ]
