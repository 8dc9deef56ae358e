"""What the counters keep of a tenant's day, read and written past the scripts."""

from datetime import date
from typing import NamedTuple, Self

from redis.asyncio import Redis

from tollbook.journal.keys import Keys
from tollbook.journal.valkey import escape_glob


class KeptDay(NamedTuple):
    """One field of a day's hash; `window` is '<from ms> <until ms>', '' where there is none."""

    settled: int | None
    pending: int
    window: str

    @classmethod
    def of(cls, text: str) -> Self:
        settled, pending, window = text.split(" ", 2)
        return cls(None if settled == "-" else int(settled), int(pending), window)

    def text(self) -> str:
        settled = "-" if self.settled is None else self.settled
        return f"{settled} {self.pending} {self.window}"


class KeptDays:
    """The days of one partition."""

    def __init__(self, store: "Redis", keys: Keys, partition: int = 0) -> None:
        self._store = store
        self._keys = keys
        self._partition = partition

    async def read(self, tenant: str, day: date) -> KeptDay | None:
        found = await self._store.hget(self._keys.day(self._partition, day.isoformat()), tenant)
        return None if found is None else KeptDay.of(found if isinstance(found, str) else found.decode())

    async def put(self, tenant: str, day: date, kept: KeptDay) -> None:
        await self._store.hset(self._keys.day(self._partition, day.isoformat()), tenant, kept.text())

    async def change(self, tenant: str, day: date, **changed: object) -> None:
        """Replace parts of what is kept."""
        kept = await self.read(tenant, day)
        assert kept is not None, (tenant, day)
        await self.put(tenant, day, kept._replace(**changed))

    async def of_tenant(self, tenant: str) -> dict[date, KeptDay]:
        """Every day that is kept of a tenant."""
        found = {}
        head = self._keys.day(self._partition, "")
        async for key in self._store.scan_iter(match=f"{escape_glob(head)}*", count=1_000):
            day = date.fromisoformat((key if isinstance(key, str) else key.decode()).removeprefix(head))
            kept = await self.read(tenant, day)
            if kept is not None:
                found[day] = kept
        return found
