"""The counters as an auditor reads them: nothing is written."""

from collections.abc import Sequence
from datetime import date

import msgspec
from redis.asyncio import Redis

from tollbook.journal.keys import Keys
from tollbook.journal.scripts import Script
from tollbook.journal.valkey import translated
from tollbook.ports.audit import Kept, KeptDay

_FIELDS = 7


class ValkeyAudit:
    """Implements `ports.audit.CountersAudit`. The caller owns the client."""

    def __init__(self, store: "Redis", keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._kept = Script("kept")

    async def kept(self, partition: int, days: Sequence[tuple[str, date]]) -> Kept:
        """Some days of a partition with the fence, the flags and the spend keys beside them."""
        index: dict[str, int] = {}
        named = [(index.setdefault(tenant, len(index) + 1), day.isoformat(), tenant) for tenant, day in days]
        keys = [
            *(self._keys.of(partition, name) for name in ("epoch", "state", "limits")),
            *(self._keys.tenant(partition, tenant) for tenant in index),
            *(self._keys.throttled(tenant) for tenant in index),
            *(self._keys.spend(tenant, day) for tenant, day in days),
            *(self._keys.day(partition, day.isoformat()) for _, day in days),
        ]
        async with translated():
            complete, fence, *fields = await self._kept(self._store, keys, len(index), msgspec.msgpack.encode(named))
        found = tuple(_day(fields[start : start + _FIELDS]) for start in range(0, len(fields), _FIELDS))
        return Kept(complete == 1, fence, found)


def _day(fields: Sequence[bytes | int]) -> KeptDay:
    settled, pending, held, limit, window, flag, spend = fields
    bounds = window.split() if isinstance(window, bytes) else []
    return KeptDay(
        settled_nanos=int(settled) if settled != b"" else None,
        pending_nanos=int(pending),
        held_nanos=int(held),
        limit_nanos=int(limit) if limit != b"" else None,
        window_ms=(int(bounds[0]), int(bounds[1])) if bounds else None,
        throttled=flag == 1,
        spend_cents=int(spend) if spend != b"" else None,
    )
