"""The measured traffic that replays, as events, and what it must come to by the price list alone.

The two files are found in `../shared/data` beside the checkout, or where TEST_WORKLOADS says.
"""

import csv
import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from genai_prices import Usage, calc_price

DATA = Path(os.environ.get("TEST_WORKLOADS") or Path(__file__).resolve().parents[4] / "shared" / "data")
CODE = DATA / "azure_llm_code_2023.csv.gz"
CHAT = DATA / "mooncake_conversation.jsonl.gz"
CODE_CALLS, CHAT_CALLS = 8_819, 12_031
_BLOCK_TOKENS = 512

CODE_MODELS = (("anthropic", "claude-opus-4-7"), ("openai", "gpt-4o"), ("openai", "gpt-4o-mini"))
# The last one's cached tokens cost 8.75 nano-dollars each: only there does rounding show.
CHAT_MODELS = (("anthropic", "claude-sonnet-4-5"), ("google", "gemini-2.5-pro"), ("aws", "amazon.nova-micro-v1:0"))

Event = dict[str, Any]


@dataclass(frozen=True)
class Tenants:
    """Three names: one sends the code calls, two share the conversation; and the zone each one's days end in."""

    code: str
    chat: tuple[str, str]
    zones: dict[str, str]


def code_events(tenants: Tenants, now: datetime) -> Iterator[Event]:
    """The code calls, moved so that the last one is a minute old."""
    with gzip.open(CODE, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    # The file writes seven digits of a second; the last is always a zero.
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC) for row in rows]
    moved = now - timedelta(minutes=1) - max(times)
    for number, (row, at) in enumerate(zip(rows, times, strict=True)):
        provider, model = CODE_MODELS[number % len(CODE_MODELS)]
        yield {
            "tenant": tenants.code,
            "agent": f"coder/completer#{number % 5}",
            "model": model,
            "provider": provider,
            "input": int(row["ContextTokens"]),
            "output": int(row["GeneratedTokens"]),
            "ts": (at + moved).isoformat(),
            "id": f"code-{number}",
        }


def chat_events(tenants: Tenants, now: datetime) -> Iterator[Event]:
    """The conversation, its hour stretched to thirty that end two minutes ago, so that it crosses midnights.

    What a prompt cache would have served is the leading run of blocks that some earlier call had.
    """
    seen: set[int] = set()
    with gzip.open(CHAT, "rt") as file:
        calls = [json.loads(line) for line in file]
    last_ms = calls[-1]["timestamp"]
    stretch = 30 * 3_600_000 // last_ms
    for number, call in enumerate(calls):
        served = next((at for at, block in enumerate(call["hash_ids"]) if block not in seen), len(call["hash_ids"]))
        seen.update(call["hash_ids"])
        at = now - timedelta(minutes=2, milliseconds=(last_ms - call["timestamp"]) * stretch)
        provider, model = CHAT_MODELS[number % len(CHAT_MODELS)]
        yield {
            "tenant": tenants.chat[number % 2],
            "agent": "chat",
            "model": model,
            "provider": provider,
            "input": call["input_length"],
            "output": call["output_length"],
            "cache_read": min(_BLOCK_TOKENS * served, call["input_length"]),
            "ts": at.isoformat(),
            "id": f"chat-{number}",
            "run": f"conversation-{number // 100}",
        }


def nanos_of(event: Event) -> int:
    """What a call costs by the price list, exactly, rounded once to whole nano-dollars."""
    usage = Usage(
        input_tokens=event["input"],
        output_tokens=event["output"],
        cache_read_tokens=event.get("cache_read", 0),
    )
    at = datetime.fromisoformat(event["ts"])
    with localcontext(prec=60):
        price = calc_price(usage, event["model"], provider_id=event["provider"], genai_request_timestamp=at)
        return int((price.total_price * 10**9).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


@dataclass
class Sums:
    """What some calls come to."""

    calls: int = 0
    nanos: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0


def by_day(events: list[Event], zones: dict[str, str]) -> dict[tuple[str, date], Sums]:
    """The sums of each tenant's local days."""
    found: dict[tuple[str, date], Sums] = defaultdict(Sums)
    for event in events:
        at = datetime.fromisoformat(event["ts"])
        sums = found[event["tenant"], at.astimezone(ZoneInfo(zones[event["tenant"]])).date()]
        sums.calls += 1
        sums.nanos += nanos_of(event)
        sums.input += event["input"]
        sums.output += event["output"]
        sums.cache_read += event.get("cache_read", 0)
    return dict(found)
