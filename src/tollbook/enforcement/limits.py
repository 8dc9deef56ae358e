"""Brings budgets from Postgres to the counters, and the throttle flags after them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from tollbook.domain.budget import Budget
from tollbook.domain.errors import StoreError
from tollbook.domain.tenancy import Tenancy
from tollbook.ports.clock import Clock
from tollbook.ports.config import BudgetsChanged, Config, OwnersBudgets
from tollbook.ports.journal import Journal, Limit, SettleCode, Settlement
from tollbook.ports.ledger import Ledger
from tollbook.telemetry import StoreTrouble, Telemetry

POLL_S = 0.2
_END_S = 1.0
_PAGE_DAYS = 500
_AT_ONCE = 64
_FENCE_TRIES = 4


class PutsBudgets(Protocol):
    """The part of `ports.holds.Holds` that takes budgets."""

    async def put_budgets(
        self, partition: int, tenant: str | None, budgets: Sequence[Budget], version: int, *, fence_min: int = 0
    ) -> bool:
        """Replace a tenant's (None: everyone's) budgets; False where a version as new stood there already."""
        ...


class LimitKeeper:
    """Follows the configuration's version and pushes what changed to the partitions whose tenants it is about."""

    def __init__(
        self,
        config: Config,
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        tenancy: Callable[[], Tenancy],
        *,
        ledger: Ledger,
        holds: PutsBudgets | None = None,
    ) -> None:
        self._config = config
        self._journal = journal
        self._ledger = ledger
        self._holds = holds
        self._clock = clock
        self._telemetry = telemetry
        self._tenancy = tenancy
        self._version = 0
        self._ended_at = -1e9

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            try:
                await self.follow()
            except StoreError as trouble:
                self._telemetry.record(StoreTrouble("limits", "are pushed later", str(trouble)))
            await self._clock.pause(POLL_S)

    async def follow(self) -> int:
        """Push what changed since the last time; how many owners' budgets that were."""
        if self._clock.monotonic() - self._ended_at >= _END_S:
            self._ended_at = self._clock.monotonic()
            await self._config.end_budgets(self._clock.now())
        version = await self._config.version()
        if version == self._version:
            return 0
        # A version that went down is a restored ledger's: what it holds is all there is.
        changed = await self._config.budgets_since(self._version if version > self._version else 0)
        for partition in range(self._tenancy().partitions):
            await self._push(partition, changed)
        self._version = version
        return len(changed)

    async def enforce(self, made: BudgetsChanged) -> None:
        """Put a change in force at once: the totals of the meters it counted anew, then the budgets themselves.

        What a store does not do now is done by the next follower that it answers.
        """
        try:
            for partition in sorted(made.partitions):
                await self._set_meters(partition)
            changed = await self._config.budgets_since(made.version - 1)
            for partition in range(self._tenancy().partitions):
                await self._push(partition, changed)
        except StoreError as trouble:
            self._telemetry.record(StoreTrouble("limits", "are pushed later", str(trouble)))

    async def load(self, partition: int) -> None:
        """Put every budget of a partition beside its meters, as a rebuild needs it."""
        mine = self._of(partition, await self._config.budgets_since(0))
        await self._journal.limit(partition, _limits(mine))
        await self._put(partition, mine)

    async def _push(self, partition: int, changed: Sequence[OwnersBudgets]) -> None:
        mine = self._of(partition, changed)
        if not mine:
            return
        await self._put(partition, mine)
        if not await self._journal.limit(partition, _limits(mine)):
            return
        if any(owned.tenant is None for owned in mine):
            await self._evaluate_all(partition)
        else:
            now, tenancy = self._clock.now(), self._tenancy()
            tenants = [owned.tenant for owned in mine if owned.tenant is not None]
            await self._journal.evaluate(
                partition, [(tenant, tenancy.window_at(tenant, now).day) for tenant in tenants], tenants
            )

    async def _put(self, partition: int, mine: Sequence[OwnersBudgets]) -> None:
        if self._holds is None or not mine:
            return
        # Read behind the budgets, so that what was counted anew for them is within it.
        fence_min = (await self._config.backfills())[partition]
        for start in range(0, len(mine), _AT_ONCE):
            some = mine[start : start + _AT_ONCE]
            await asyncio.gather(*(self._holds.put_budgets(partition, *owned, fence_min=fence_min) for owned in some))

    async def _set_meters(self, partition: int) -> None:
        """Set what the ledger has counted, as the drain's next tick would."""
        standing = await self._ledger.standing(partition)
        fence = standing.version
        asked = await self._journal.settle(partition, Settlement(standing.ledger_epoch, fence, fence, (), ()))
        for _ in range(_FENCE_TRIES):
            if asked.code is not SettleCode.BEHIND:
                return
            fence = asked.fence
            caught = await self._ledger.catch_up(partition, fence, ())
            if caught.gap:
                return
            asked = await self._journal.settle(
                partition,
                Settlement(
                    caught.ledger_epoch,
                    min(fence, caught.version),
                    caught.version,
                    caught.totals,
                    (),
                    meters=caught.meters,
                    holds=caught.holds,
                ),
            )

    async def _evaluate_all(self, partition: int) -> None:
        cursor = 0
        while True:
            cursor, days = await self._journal.open_days(partition, cursor, _PAGE_DAYS)
            if days:
                await self._journal.evaluate(partition, days)
            if cursor == 0:
                return

    def _of(self, partition: int, owners: Iterable[OwnersBudgets]) -> list[OwnersBudgets]:
        tenancy = self._tenancy()
        return [owned for owned in owners if owned.tenant is None or tenancy.partition_of(owned.tenant) == partition]


def _limits(owners: Iterable[OwnersBudgets]) -> list[Limit]:
    return [Limit(owned.tenant, _daily_nanos(owned.budgets), owned.version) for owned in owners]


def _daily_nanos(budgets: Iterable[Budget]) -> int | None:
    return next((budget.flag_limit for budget in budgets if budget.is_daily), None)
