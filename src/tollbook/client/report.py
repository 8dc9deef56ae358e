"""The usage event as the SDK sends it."""

import os
import time
from collections.abc import Mapping

import msgspec

from tollbook.domain.event import Observer
from tollbook.domain.identity import minted

encode_event = msgspec.json.Encoder().encode


class HeldEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A usage event as it is sent: the fields of `domain.Event`, `ts` in milliseconds since 1970, and its hold."""

    tenant: str
    agent: str
    model: str
    input: int
    output: int
    id: str
    ts: int
    source: str | None = None
    hold: str | None = None
    run: str | None = None
    provider: str | None = None
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    service_tier: str | None = None
    tags: Mapping[str, str] | None = None
    call_id: str | None = None
    cost_usd: str | None = None
    units: Mapping[str, int] | None = None
    context: Mapping[str, str] | None = None
    observed: Observer | None = None
    response_id: str | None = None
    request_id: str | None = None
    estimated: bool = False


def new_id() -> str:
    """A UUIDv7: it carries its own time, so that the ledger looks for its repeats in one place."""
    text = minted(time.time_ns() // 1_000_000, os.urandom(10)).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
