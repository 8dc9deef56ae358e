"""What the connected Valkey survives, as far as it will say: what it does not say counts as unsafe."""

from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tollbook.app.config import Settings
from tollbook.pipeline.accept import Ack

_KEEPS_ALL = "noeviction"


class ValkeyFacts(msgspec.Struct, frozen=True):
    """Answers of CONFIG GET and INFO; None where the server would not say."""

    append_only: str | None = None
    append_fsync: str | None = None
    eviction: str | None = None
    replicas: int | None = None
    version: str | None = None

    @property
    def survives_restart(self) -> bool:
        """Whether an acknowledged record outlives a crash of the server, up to a second of them."""
        return self.append_only == "yes" and self.eviction == _KEEPS_ALL

    @property
    def survives_power_cut(self) -> bool:
        """Whether every acknowledged record is on disk before it is acknowledged."""
        return self.survives_restart and self.append_fsync == "always"


async def ask_valkey(store: "Redis") -> ValkeyFacts:
    """Ask; an ACL without @admin refuses, and then nothing is known."""
    settings = await _ask(store, "CONFIG", "GET", "append*", "maxmemory-policy") or {}
    info = await _ask(store, "INFO") or {}
    connected = info.get("connected_slaves")
    return ValkeyFacts(
        append_only=_text(settings.get(b"appendonly")),
        append_fsync=_text(settings.get(b"appendfsync")),
        eviction=_text(settings.get(b"maxmemory-policy")),
        replicas=None if connected is None else int(connected),
        version=info.get("valkey_version") or info.get("redis_version"),
    )


async def _ask(store: "Redis", *command: str) -> dict[Any, Any] | None:
    try:
        answer = await store.execute_command(*command)  # type: ignore[no-untyped-call]
    except (RedisError, OSError):
        return None
    if isinstance(answer, list):
        return dict(zip(answer[::2], answer[1::2], strict=True))
    return dict(answer)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


async def ack_for(settings: Settings, store: "Redis", known: Ack = "ledger") -> Ack:
    """What an acknowledgement means by default: `auto` is the journal where it survives a restart, else the ledger.

    A server that says nothing, because it is away or will not, leaves it at what was `known` before.
    """
    if settings.ack != "auto":
        return settings.ack
    facts = await ask_valkey(store)
    if facts.append_only is None:
        return known
    return "journal" if facts.survives_restart else "ledger"
