"""Holds of the tenant acme in a world of the protocol, each of so many dollars of its day."""

from collections.abc import Mapping
from types import MappingProxyType

from tests.core_world import World, event
from tollbook.domain.record import HoldUse, Record
from tollbook.domain.window import DayWindow
from tollbook.journal.holds import ValkeyHolds
from tollbook.ports.holds import HoldAnswer, HoldCheck, HoldRequest, HoldState, HoldView
from tollbook.ports.journal import Posted, Settlement

LIMIT = 4
TTL_MS = 60_000


class Holding:
    """The gate's side of the port, reduced to one budget of `LIMIT` a day; `limit` can be another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.holds = ValkeyHolds(world.store, world.keys)
        self.versions = (0, 0)
        self.strict = False

    def window(self) -> DayWindow:
        return self.world.tenancy.window_at("acme", self.world.clock.now())

    def check(self, amount: int, *, limit: int = LIMIT, window: DayWindow | None = None) -> HoldCheck:
        window = window or self.window()
        ends = int(window.end.timestamp() * 1000)
        return HoldCheck(f"day:{window.day.isoformat()}", limit, amount, amount, self.strict, ends)

    async def hold(
        self, hold_id: str, amount: int, *, limit: int = LIMIT, window: DayWindow | None = None, **fields: object
    ) -> HoldAnswer:
        check = self.check(amount, limit=limit, window=window)
        given = {"tenant": "acme", "caller_id": None, "ttl_ms": TTL_MS, "context": b"", **fields}
        request = HoldRequest(hold_id=hold_id, versions=self.versions, checks=[check], **given)
        (answer,) = await self.holds.hold(0, [request])
        return answer

    def record(self, hold_id: str, nanos: int, *, part: int = 0, tenant: str = "acme") -> Record:
        """A record of one event that costs so much and names a hold, with an identity of its own."""
        made = self.world.record(event(tenant, nanos, id=f"of {hold_id}.{part}"))
        use = HoldUse(tenant, hold_id, part, nanos, nanos)
        return Record(made.partition, made.nonce, made.events, made.touches, made.rows, (), (use,))

    async def report(self, hold_id: str, nanos: int, *, part: int = 0, tenant: str = "acme") -> Posted:
        return await self.world.journal.post(self.record(hold_id, nanos, part=part, tenant=tenant))

    async def release(self, hold_id: str, keep: Mapping[str, int] = MappingProxyType({})) -> HoldState:
        return await self.holds.release(0, "acme", hold_id, keep)

    async def find(self, hold_id: str) -> HoldView | None:
        return await self.holds.find(0, "acme", hold_id)

    async def view(self) -> tuple[int, int, int]:
        """(settled, pending, held) of the open day."""
        view = await self.world.journal.view(0, "acme", self.world.today())
        return view.settled_nanos, view.pending_nanos, view.held_nanos

    async def pass_time(self, ms: int = TTL_MS) -> None:
        """Move the store's clock on: ids never run back, so a later one is the time from then on."""
        later = await self.world.journal.now_ms(0) + ms
        await self.world.store.xadd(self.world.keys.of(0, "clock"), {"x": "1"}, id=f"{later}-0")

    async def catch_up(self, *named: str) -> None:
        """The settle of a catch-up that found nothing left in the inbox, and holds named by what it booked."""
        standing = await self.world.ledger.standing(0)
        before, version = standing.version - 1, standing.version
        caught = await self.world.ledger.catch_up(0, before, [])
        now = await self.world.journal.now_ms(0)
        holds = [("acme", hold_id) for hold_id in named]
        settlement = Settlement(standing.ledger_epoch, before, version, caught.totals, (), now, (), holds)
        await self.world.journal.settle(0, settlement)
