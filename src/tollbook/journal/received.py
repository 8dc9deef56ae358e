"""The received log over a Valkey list a token."""

import msgspec
from redis.asyncio import Redis

from tollbook.journal.keys import Keys
from tollbook.journal.valkey import translated
from tollbook.ports.received import ReceivedRequest

REQUESTS_KEPT = 100
_KEPT_S = 7 * 86_400


class ValkeyReceivedLog:
    """Implements `ports.received.ReceivedLog`."""

    def __init__(self, store: "Redis", keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def keep(self, token_id: str, request: ReceivedRequest) -> None:
        """Put a request at the head and let the oldest go."""
        key = self._keys.received(token_id)
        async with translated(), self._store.pipeline(transaction=False) as pipe:
            pipe.lpush(key, msgspec.json.encode(request))
            pipe.ltrim(key, 0, REQUESTS_KEPT - 1)
            pipe.expire(key, _KEPT_S)
            await pipe.execute()

    async def newest(self, token_id: str) -> list[ReceivedRequest]:
        """What is kept, newest first."""
        async with translated():
            kept = await self._store.lrange(self._keys.received(token_id), 0, -1)
        return [msgspec.json.decode(item, type=ReceivedRequest) for item in kept]
