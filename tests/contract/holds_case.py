"""Holds under test on top of a journal, with the words their tests are written in."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from tests.contract.journal_case import EPOCH, JournalCase
from tests.kept_day import KeptDays
from tollbook.domain.budget import Budget
from tollbook.domain.record import HoldUse, Journalled, MeterTotal, MeterTouch, Record, Touch
from tollbook.journal.holds import ValkeyHolds
from tollbook.ports.holds import HoldAnswer, HoldCheck, HoldRequest, HoldState, HoldView
from tollbook.ports.journal import Posted, Settled, Settlement

RUN = "usd|run:r1|run|r1"


class HoldsCase:
    """Holds of partition 0 of acme. `day` is the meter of its open day, `closes` when that ends in ms."""

    def __init__(self, case: JournalCase) -> None:
        self.case = case
        self.holds = ValkeyHolds(case.store, case.keys)
        self.day = f"day:{case.open.day.isoformat()}"
        self.closes = int(case.open.end.timestamp() * 1000)

    def meter(self, unit: str = "calls", window: str = "month:2026-01", scope: str = "agent|planner") -> str:
        return f"{unit}|{window}|{scope}"

    def check(
        self, meter: str, limit: int | None, most: int, *, least: int | None = None, strict: bool = False
    ) -> HoldCheck:
        until_ms = None if "|run:" in meter else self.closes
        return HoldCheck(meter, limit, most if least is None else least, most, strict, until_ms)

    def request(self, hold_id: str, *checks: HoldCheck, **fields: object) -> HoldRequest:
        given = {"tenant": "acme", "caller_id": None, "versions": (0, 0), "ttl_ms": 60_000, "context": b"", **fields}
        return HoldRequest(hold_id=hold_id, checks=checks, **given)

    async def hold(self, hold_id: str, *checks: HoldCheck, **fields: object) -> HoldAnswer:
        (answer,) = await self.holds.hold(0, [self.request(hold_id, *checks, **fields)])
        return answer

    async def extend(
        self, hold_id: str, *checks: HoldCheck, ttl_ms: int | None = None, versions: tuple[int, int] = (0, 0)
    ) -> tuple[HoldState, HoldAnswer]:
        amounts = {check.meter: check for check in checks}
        return await self.holds.extend(0, "acme", hold_id, ttl_ms=ttl_ms, amounts=amounts, versions=versions)

    async def release(self, hold_id: str, keep: Mapping[str, int] = MappingProxyType({})) -> HoldState:
        return await self.holds.release(0, "acme", hold_id, keep)

    async def find(self, hold_id: str) -> HoldView:
        found = await self.holds.find(0, "acme", hold_id)
        assert found is not None, hold_id
        return found

    async def load(self, totals: dict[str, int], *, version: int = 0, ledger_epoch: str = EPOCH) -> bool:
        return await self.holds.load(0, "acme", totals, ledger_epoch=ledger_epoch, version=version)

    async def post(self, nanos: int = 0, *, meters: Sequence[MeterTouch] = (), uses: Sequence[HoldUse] = ()) -> Posted:
        """Post an event of acme that costs this much and names holds."""
        record = self.case.record(Touch("acme", self.case.open, nanos))
        return await self.case.journal.post(
            Record(0, record.nonce, 1, record.touches, b"rows", tuple(meters), tuple(uses))
        )

    def use(self, hold_id: str, nanos: int = 0, tokens: int = 0, part: int = 0, tenant: str = "acme") -> HoldUse:
        return HoldUse(tenant, hold_id, part, nanos, tokens)

    def touch(self, meter: str, amount: int) -> MeterTouch:
        return MeterTouch("acme", meter, amount, 0 if "|run:" in meter else self.closes)

    def total(self, meter: str, total: int) -> MeterTotal:
        return MeterTotal("acme", meter, total, 0 if "|run:" in meter else self.closes)

    async def settle(
        self,
        versions: tuple[int, int],
        *meters: MeterTotal,
        totals: Sequence[Touch] = (),
        records: Sequence[Journalled] = (),
        holds: Sequence[tuple[str, str]] = (),
        read_at_ms: int | None = None,
    ) -> Settled:
        settlement = Settlement(EPOCH, *versions, totals, records, read_at_ms, meters, holds)
        return await self.case.journal.settle(0, settlement)

    async def fields(self, suffix: str) -> dict[str, int]:
        """The fields of acme's hash that end so, without what is 0."""
        found = await self.case.store.hgetall(self.case.keys.tenant(0, "acme"))
        named = {field.decode(): value for field, value in found.items() if field.decode().endswith(suffix)}
        return {field.removesuffix(suffix): int(value) for field, value in named.items() if int(value)}

    async def held(self) -> dict[str, int]:
        """What each meter of acme holds."""
        return await self.fields(":h")

    async def pending(self) -> dict[str, int]:
        return await self._counted("pending", ":p")

    async def settled(self) -> dict[str, int]:
        return await self._counted("settled", ":s")

    async def _counted(self, part: str, suffix: str) -> dict[str, int]:
        """One part of every meter of acme, days and others, without what is 0."""
        days = await KeptDays(self.case.store, self.case.keys).of_tenant("acme")
        of_days = {f"day:{day}": getattr(kept, part) for day, kept in days.items() if getattr(kept, part)}
        return {**of_days, **await self.fields(suffix)}

    async def pass_time(self, ms: int) -> int:
        """Move the store's clock on: ids never run back, so a later one is the time from then on."""
        later = await self.case.journal.now_ms(0) + ms
        await self.case.admin.xadd(self.case.keys.of(0, "clock"), {"x": "1"}, id=f"{later}-0")
        return await self.case.journal.now_ms(0)

    async def catch_up(self) -> None:
        """Have the counters caught up with the ledger as of now."""
        now = await self.case.journal.now_ms(0)
        fence = int(await self.case.store.hget(self.case.keys.of(0, "state"), "fence") or 0)
        await self.settle((fence, fence), read_at_ms=now)

    async def budgets(self, *budgets: Budget, version: int = 1, tenant: str | None = "acme") -> bool:
        return await self.holds.put_budgets(0, tenant, budgets, version)
