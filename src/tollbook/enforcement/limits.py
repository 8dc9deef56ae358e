"""Brings limits from Postgres to the counters, and the throttle flags after them."""

from collections.abc import Callable, Iterable

from tollbook.domain.errors import StoreError
from tollbook.domain.tenancy import Tenancy
from tollbook.ports.clock import Clock
from tollbook.ports.config import Config
from tollbook.ports.journal import Journal, Limit
from tollbook.telemetry import StoreTrouble, Telemetry

POLL_S = 0.2
_PAGE_DAYS = 500


class LimitKeeper:
    """Follows the configuration's version and pushes what changed, to every partition."""

    def __init__(
        self,
        config: Config,
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        tenancy: Callable[[], Tenancy],
    ) -> None:
        self._config = config
        self._journal = journal
        self._clock = clock
        self._telemetry = telemetry
        self._tenancy = tenancy
        self._version = 0

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            try:
                await self.follow()
            except StoreError as trouble:
                self._telemetry.record(StoreTrouble("limits", "are pushed later", str(trouble)))
            await self._clock.pause(POLL_S)

    async def follow(self) -> int:
        """Push what changed since the last time; how many limits that were."""
        version = await self._config.version()
        if version == self._version:
            return 0
        # A version that went down is a restored ledger's: what it holds is all there is.
        changed = await self._config.limits_since(self._version if version > self._version else 0)
        for partition in range(self._tenancy().partitions):
            await self._push(partition, changed)
        self._version = version
        return len(changed)

    async def load(self, partition: int) -> None:
        """Put every limit of a partition beside its meters, as a rebuild needs it."""
        tenancy = self._tenancy()
        everything = await self._config.limits_since(0)
        mine = [limit for limit in everything if _is_of(limit, partition, tenancy)]
        await self._journal.limit(partition, mine)

    async def _push(self, partition: int, changed: list[Limit]) -> None:
        tenancy = self._tenancy()
        mine = [limit for limit in changed if _is_of(limit, partition, tenancy)]
        if not mine or not await self._journal.limit(partition, mine):
            return
        if any(limit.tenant is None for limit in mine):
            await self._evaluate_all(partition)
        else:
            now = self._clock.now()
            tenants = _tenants_of(mine)
            await self._journal.evaluate(
                partition, [(tenant, tenancy.window_at(tenant, now).day) for tenant in tenants]
            )

    async def _evaluate_all(self, partition: int) -> None:
        cursor = 0
        while True:
            cursor, days = await self._journal.open_days(partition, cursor, _PAGE_DAYS)
            if days:
                await self._journal.evaluate(partition, days)
            if cursor == 0:
                return


def _is_of(limit: Limit, partition: int, tenancy: Tenancy) -> bool:
    return limit.tenant is None or tenancy.partition_of(limit.tenant) == partition


def _tenants_of(limits: Iterable[Limit]) -> list[str]:
    return [limit.tenant for limit in limits if limit.tenant is not None]
