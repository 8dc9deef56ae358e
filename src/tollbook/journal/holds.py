"""The holds port over Valkey 8+ or Redis 7.0+: budgets and holds beside the meters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from tollbook.domain.budget import Budget
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.journal.keys import Keys
from tollbook.journal.scripts import Script
from tollbook.journal.valkey import translated
from tollbook.ports.holds import (
    BudgetsCopy,
    HoldAnswer,
    HoldCheck,
    HoldCode,
    HoldRequest,
    HoldState,
    HoldView,
    MeterView,
)

_pack = msgspec.msgpack.encode
_DAY = "day:"


class ValkeyHolds:
    """Implements `ports.holds.Holds`. The caller owns the client and closes it."""

    def __init__(self, store: "Redis", keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._hold = Script("hold")
        self._extend = Script("extend")
        self._release = Script("release")
        self._expire = Script("expire")
        self._view = Script("holds_view")
        self._load = Script("load")
        self._budgets_put = Script("budgets_put")
        self._budgets_read = Script("budgets_read")

    def _of(self, partition: int, *names: str) -> list[str]:
        return [self._keys.of(partition, name) for name in names]

    def _tenant(self, partition: int, tenant: str) -> list[str]:
        keys = self._keys
        return [keys.tenant(partition, tenant), keys.holds(partition, tenant), keys.expiries(partition, tenant)]

    async def budgets(self, partition: int, tenant: str) -> BudgetsCopy:
        """The budgets beside the tenant's meters."""
        keys = [*self._of(partition, "limits"), self._keys.tenant(partition, tenant)]
        async with translated():
            everyone, everyone_version, own, own_version = await self._budgets_read(self._store, keys)
        return BudgetsCopy(_decoded(everyone), everyone_version, _decoded(own), own_version)

    async def put_budgets(
        self, partition: int, tenant: str | None, budgets: Sequence[Budget], version: int, *, fence_min: int = 0
    ) -> bool:
        """Replace a tenant's (None: everyone's) budgets; False where a version as new stood there already."""
        keys = self._of(partition, "epoch", "limits", "clock")
        if tenant is not None:
            keys += [self._keys.tenant(partition, tenant), self._keys.throttled(tenant)]
        listed = msgspec.json.encode(list(budgets))
        async with translated():
            put = await self._budgets_put(self._store, keys, version, listed, fence_min, _watched(budgets))
        return bool(put)

    async def hold(self, partition: int, requests: Sequence[HoldRequest]) -> list[HoldAnswer]:
        """Decide requests in order, in one script call."""
        index: dict[str, int] = {}
        packed = [
            (
                index.setdefault(request.tenant, len(index) + 1),
                request.hold_id,
                request.caller_id or "",
                *request.versions,
                request.ttl_ms,
                int(request.lease),
                request.lease_share if request.lease else 1,
                int(request.reserve),
                _checks(request.checks),
            )
            for request in requests
        ]
        keys = self._of(partition, "epoch", "state", "limits", "clock")
        for tenant in index:
            keys += self._tenant(partition, tenant)
        days = _days(check for request in requests for check in request.checks)
        keys += [self._keys.day(partition, day) for day in days.values()]
        named = _pack((list(index), list(days)))
        contexts = [request.context for request in requests]
        async with translated():
            answers = await self._hold(self._store, keys, named, _pack(packed), *contexts)
        return [_answer(answer) for answer in answers]

    async def extend(
        self,
        partition: int,
        tenant: str,
        hold_id: str,
        *,
        ttl_ms: int | None,
        amounts: Mapping[str, HoldCheck],
        versions: tuple[int, int] = (0, 0),
    ) -> tuple[HoldState, HoldAnswer]:
        """Give an open hold a new life from now and, where `amounts` names meters, new whole amounts in them."""
        days = _days(amounts.values())
        keys = [
            *self._of(partition, "epoch", "state", "limits", "clock"),
            *self._tenant(partition, tenant),
            *(self._keys.day(partition, day) for day in days.values()),
        ]
        checks = _pack(_checks(amounts.values()))
        life = "" if ttl_ms is None else ttl_ms
        async with translated():
            found = _answer(
                await self._extend(self._store, keys, hold_id, life, *versions, checks, tenant, _pack(list(days)))
            )
        return found.state, found

    async def release(self, partition: int, tenant: str, hold_id: str, keep: Mapping[str, int]) -> HoldState:
        """Release an open hold; `keep` says what a lease's open parts may still cost, by meter. The state before."""
        keys = [*self._of(partition, "clock"), *self._tenant(partition, tenant)]
        kept = _pack([part for meter, amount in keep.items() for part in (meter, str(amount))])
        async with translated():
            return HoldState(await self._release(self._store, keys, hold_id, kept))

    async def expire(self, partition: int, tenant: str) -> int:
        """End what is due, 64 at most; how many were."""
        keys = [*self._of(partition, "state", "clock"), *self._tenant(partition, tenant)]
        async with translated():
            return int(await self._expire(self._store, keys))

    async def open_holds(self, partition: int, tenant: str, count: int) -> list[HoldView]:
        """The tenant's open holds by expiry, `count` at most; one that waits for a catch-up is shown as expired."""
        return await self._views(partition, tenant, "", count)

    async def find(self, partition: int, tenant: str, hold_id: str) -> HoldView | None:
        """One hold, open or remembered."""
        found = await self._views(partition, tenant, hold_id, 1)
        return found[0] if found else None

    async def _views(self, partition: int, tenant: str, hold_id: str, count: int) -> list[HoldView]:
        keys = [*self._of(partition, "clock"), *self._tenant(partition, tenant)[1:]]
        async with translated():
            return [_view(found) for found in await self._view(self._store, keys, hold_id, count)]

    async def load(
        self, partition: int, tenant: str, totals: Mapping[str, int], *, ledger_epoch: str, version: int
    ) -> bool:
        """Set settled totals of run meters where there are none; False: read them again."""
        keys = [*self._of(partition, "epoch", "state", "clock", "meters"), self._keys.tenant(partition, tenant)]
        listed = _pack([(meter, str(total)) for meter, total in totals.items()])
        async with translated():
            return bool(await self._load(self._store, keys, tenant, ledger_epoch, version, listed) == 0)


def _days(checks: Iterable[HoldCheck]) -> dict[str, str]:
    """The days in dollars among the meters of checks: their dates by meter."""
    return {check.meter: check.meter.removeprefix(_DAY) for check in checks if check.meter.startswith(_DAY)}


def _checks(checks: Iterable[HoldCheck]) -> list[tuple[str, str, str, str, int, int]]:
    return [
        (
            check.meter,
            "" if check.limit is None else str(check.limit),
            str(check.least),
            str(check.most),
            int(check.strict),
            check.until_ms or 0,
        )
        for check in checks
    ]


def _answer(found: Sequence[Any]) -> HoldAnswer:
    code, hold_id, expires_ms, decided, wait_ms, state, context, amounts, views, missing = found
    return HoldAnswer(
        code=HoldCode(code),
        hold_id=hold_id.decode(),
        expires_ms=expires_ms,
        decided=decided,
        amounts=tuple(map(int, amounts)),
        views=tuple(MeterView(int(spent), int(held)) for spent, held in zip(views[::2], views[1::2], strict=True)),
        wait_ms=wait_ms,
        missing=tuple(missing),
        context=context,
        state=HoldState(state),
    )


def _view(found: Sequence[Any]) -> HoldView:
    hold_id, state, lease, expires_ms, context, amounts = found
    by_meter = {meter.decode(): int(held) for meter, held in zip(amounts[::2], amounts[1::2], strict=True)}
    return HoldView(hold_id.decode(), HoldState(state), lease == 1, expires_ms, by_meter, context)


def _decoded(listed: bytes) -> list[Budget]:
    return msgspec.json.decode(listed, type=list[Budget]) if listed else []


def _watched(budgets: Iterable[Budget]) -> bytes:
    """The limits that raise the throttle flag, as lib/watch.lua takes them; a tenant's own may watch nothing.

    The day in dollars has a limit of its own beside the meters, and a run no present window.
    """
    watched: dict[str, tuple[str, str, int]] = {}
    for budget in budgets:
        if budget.scope is not ScopeKind.TENANT or budget.window is WindowKind.RUN:
            continue
        if budget.unit is Unit.USD and budget.window is WindowKind.DAY:
            continue
        kind = f"{budget.unit.value}|{budget.window.value}"
        limit = str(budget.limit) if budget.refuses else ""
        expires_ms = int(budget.expires_at.timestamp() * 1000) if budget.expires_at else 0
        watched.setdefault(kind, (kind, limit, expires_ms))
    return _pack([part for entry in watched.values() for part in entry]) if watched else b""
