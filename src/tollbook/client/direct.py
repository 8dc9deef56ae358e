"""The brief's check by Valkey alone: `throttled:<tenant>` is there while the tenant is throttled."""

import importlib
from typing import Any

from tollbook.client.flows import unsure
from tollbook.client.view import ALLOW
from tollbook.domain.budget import Fail
from tollbook.domain.decision import Decision, Verdict
from tollbook.domain.errors import ConfigError

_THROTTLED = Decision(verdict=Verdict.SPENT, detail="the tenant is throttled")


class DirectCheck:
    """One GET a check, by redis-py; raises `ConfigError` where it is not installed or no address is set."""

    def __init__(self, url: str, prefix: str, *, timeout_s: float, fail: Fail) -> None:
        if not url:
            raise ConfigError("mode=direct needs valkey_url or TOLLBOOK_VALKEY_URL")
        try:
            self._redis: Any = importlib.import_module("redis")
            self._asyncio: Any = importlib.import_module("redis.asyncio")
        except ModuleNotFoundError as missing:
            raise ConfigError("mode=direct needs redis-py: pip install redis") from missing
        self._options = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        self._url = url
        self._prefix = prefix
        self._unsure = unsure("Valkey cannot be reached", fail)
        self._store = self._redis.Redis.from_url(url, **self._options)

    def decide(self, tenant: str) -> Decision:
        """The decision for a tenant."""
        try:
            found = self._store.get(self._key(tenant))
        except self._redis.RedisError:
            return self._unsure
        return ALLOW if found is None else _THROTTLED

    async def decide_async(self, tenant: str) -> Decision:
        """The same on an event loop, by a connection of its own: one belongs to the loop that made it."""
        try:
            async with self._asyncio.Redis.from_url(self._url, **self._options) as store:
                found = await store.get(self._key(tenant))
        except self._redis.RedisError:
            return self._unsure
        return ALLOW if found is None else _THROTTLED

    def close(self) -> None:
        """Let the connections go."""
        self._store.close()

    def _key(self, tenant: str) -> str:
        return f"{self._prefix}throttled:{tenant}"
