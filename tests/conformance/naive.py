"""The brief's enforcement as written: read the counter, then act. It stands here to show what the scenarios find."""

from redis.asyncio import Redis

from tests.conformance.enforcer import Answer, Call, Limit


class Naive:
    """A counter in Valkey that callers read before a call and increment after it."""

    def __init__(self, store: "Redis", prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._limits: dict[str, list[Limit]] = {}

    async def limit(self, name: str, limit: Limit) -> None:
        """Keep the limit in this process."""
        self._limits.setdefault(limit.tenant, []).append(limit)

    def _scopes(self, call: Call, limit: Limit) -> list[str]:
        parts = call.agent.split("/")
        paths = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
        match limit.scope:
            case "tenant":
                return [""]
            case "run":
                return [call.run] if call.run is not None and limit.match in ("*", call.run) else []
            case "instance":
                paths = [f"{call.run}/{path}" for path in paths]
        return [path for path in paths if limit.match in ("*", path)]

    def _meters(self, call: Call) -> list[tuple[str, int]]:
        return [
            (f"{self._prefix}:{limit.tenant}:{limit.scope}:{scope}", limit.nanos)
            for limit in self._limits.get(call.tenant, [])
            for scope in self._scopes(call, limit)
        ]

    async def ask(self, call: Call, ttl_ms: int = 60_000) -> Answer:
        """Admit where no counter has reached its limit yet."""
        for meter, nanos in self._meters(call):
            if int(await self._store.get(meter) or 0) >= nanos:
                return Answer(False, "spent")
        return Answer(True, "allow", granted=call.max_output_tokens or 16_384)

    async def report(self, call: Call, answer: Answer, output_tokens: int) -> None:
        """Add what the call came to."""
        for meter, _ in self._meters(call):
            await self._store.incrby(meter, call.cost(output_tokens))
        await self._store.incrby(f"{self._prefix}:{call.tenant}:spent", call.cost(output_tokens))

    async def spent(self, tenant: str) -> int:
        """The tenant's counter."""
        return int(await self._store.get(f"{self._prefix}:{tenant}:spent") or 0)

    async def lose_store(self) -> None:
        """Lose the counters."""
        async for key in self._store.scan_iter(match=f"{self._prefix}:*"):
            await self._store.delete(key)
