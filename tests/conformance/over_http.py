"""tollbook under the scenarios, asked as any client would ask it: over HTTP."""

from decimal import Decimal
from urllib.parse import quote

import httpx2
from redis.asyncio import Redis

from tests.conformance.enforcer import Answer, Call, Limit
from tollbook.app.clock import SystemClock
from tollbook.domain.money import nanos_from_usd, usd_text

_DRAINED_WITHIN_S = 60.0


class OverHttp:
    """A running tollbook. The caller owns the clients and closes them."""

    def __init__(self, http: httpx2.AsyncClient, store: "Redis") -> None:
        self._http = http
        self._store = store
        self._reported: dict[str, int] = {}
        self._clock = SystemClock()

    async def limit(self, name: str, limit: Limit) -> None:
        """Put a budget in force."""
        body = {
            "scope": limit.scope,
            "match": limit.match,
            "window": limit.window,
            "limit_usd": usd_text(limit.nanos),
            "mode": "strict",
            "action": "block",
        }
        path = f"/v1/budgets/{quote(name, safe='')}"
        answer = await self._http.put(path, params={"tenant": limit.tenant}, json=body)
        answer.raise_for_status()

    async def ask(self, call: Call, ttl_ms: int = 60_000) -> Answer:
        """Hold."""
        body = {
            "tenant": call.tenant,
            "agent": call.agent,
            "run": call.run,
            "model": call.model,
            "input_tokens": call.input_tokens,
            "max_output_tokens": call.max_output_tokens,
            "ttl_ms": ttl_ms,
        }
        given = {name: value for name, value in body.items() if value is not None}
        said = (await self._http.post("/v1/holds", json=given)).json()
        hold = said["hold"]
        return Answer(
            admitted=hold is not None,
            verdict=said["decision"],
            hold=hold and hold["id"],
            granted=said["granted_max_output_tokens"],
            retry_ms=said["retry_ms"],
        )

    async def report(self, call: Call, answer: Answer, output_tokens: int) -> None:
        """Send the usage event that names the hold."""
        event = {
            "tenant": call.tenant,
            "agent": call.agent,
            "run": call.run,
            "model": call.model,
            "input": call.input_tokens,
            "output": output_tokens,
            "hold": answer.hold,
        }
        given = {name: value for name, value in event.items() if value is not None}
        (await self._http.post("/v1/events", json=given)).raise_for_status()
        self._reported[call.tenant] = self._reported.get(call.tenant, 0) + 1

    async def spent(self, tenant: str) -> int:
        """The ledger's sum, once it has every call that was reported."""
        for _ in range(int(_DRAINED_WITHIN_S / 0.1)):
            rows = (await self._http.get("/v1/spend", params={"tenant": tenant})).raise_for_status().json()["rows"]
            if sum(row["calls"] for row in rows) >= self._reported.get(tenant, 0):
                return sum(nanos_from_usd(Decimal(row["cost_usd"])) for row in rows)
            await self._clock.pause(0.1)
        raise TimeoutError(f"{tenant}: not every reported call is in the ledger")

    async def lose_store(self) -> None:
        """Flush Valkey and wait until the gate no longer says that it is unsure."""
        await self._store.flushall()
        probe = {"tenant": "probe", "agent": "probe", "model": "gpt-4o-mini", "max_output_tokens": 1}
        while (await self._http.post("/v1/check", json=probe)).json()["decision"] == "unsure":
            await self._clock.pause(0.02)
