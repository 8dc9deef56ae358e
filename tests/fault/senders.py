"""Senders that know what they sent: each batch is repeated with its ids until it is acknowledged.

What a call costs is worked out here with genai-prices and Decimal, never with the code under test.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import cache
from random import Random
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from genai_prices import Usage, calc_price

NANOS_PER_USD = 10**9
# What an event without a price costs: the defaults of docs/settings.md, dollars a million tokens.
CEILING_USD_PER_MTOK = (Decimal(20), Decimal(80))

MODELS = (
    ("anthropic", "claude-opus-4-1"),
    ("anthropic", "claude-haiku-4-5"),
    ("openai", "gpt-4o-mini"),
    ("google", "gemini-2.5-flash"),
    (None, "nobody-prices-this"),
)
TENANTS = ("acme", "globex", "initech", "umbrella", "hooli", "stark")
AGENTS = ("planner", "planner/researcher", "planner/researcher#7/fetcher#2", "writer#1")
TIMEOUT_S = 4.0


class Sent(NamedTuple):
    """One event as sent, and what it must cost."""

    tenant: str
    event_id: str
    agent: str
    model: str
    run: str | None
    input: int
    output: int
    cache_read: int
    ts: str | None
    cost_nanos: int


@cache
def cost_nanos_of(provider: str | None, model: str, tokens: int, cached: int, output: int) -> int:
    """What a call costs, exact until it is rounded once, half to even."""
    with localcontext(prec=80):
        if provider is None:
            usd = (tokens * CEILING_USD_PER_MTOK[0] + output * CEILING_USD_PER_MTOK[1]) / 10**6
        else:
            usage = Usage(input_tokens=tokens, output_tokens=output, cache_read_tokens=cached)
            usd = calc_price(usage, model_ref=model, provider_id=provider).total_price
        return int((usd * NANOS_PER_USD).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


class Calls:
    """An endless, seeded stream of events; ids are unique within a tenant and shared between tenants."""

    def __init__(self, name: str, random: Random, tenants: Sequence[str] = TENANTS) -> None:
        self._name = name
        self._random = random
        self._tenants = tenants
        self._count = 0

    def batch(self) -> tuple[list[Sent], bytes]:
        """One to twenty events of some tenants, and the body that reports them."""
        sent, bodies = [], []
        for _ in range(self._random.randint(1, 20)):
            event, body = self._event()
            sent.append(event)
            bodies.append(body)
        return sent, json.dumps(bodies).encode()

    def _event(self) -> tuple[Sent, dict[str, object]]:
        random = self._random
        provider, model = random.choice(MODELS)
        tokens, output = random.randrange(40) * 97, random.randrange(20) * 13
        cached = tokens // 2 if random.random() < 0.3 and provider else 0
        self._count += 1
        body: dict[str, object] = {
            "id": self._id(),
            "tenant": random.choice(self._tenants),
            "agent": random.choice(AGENTS),
            "model": model,
            "input": tokens,
            "output": output,
        }
        optional = {
            "provider": provider,
            "cache_read": cached or None,
            "run": f"run-{random.randrange(4)}" if random.random() < 0.6 else None,
            "ts": self._ts() if random.random() < 0.3 else None,
        }
        body |= {name: value for name, value in optional.items() if value is not None}
        cost = cost_nanos_of(provider, model, tokens, cached, output)
        event = Sent(
            str(body["tenant"]), str(body["id"]), str(body["agent"]), model, optional["run"],
            tokens, output, cached, optional["ts"], cost,
        )  # fmt: skip
        return event, body

    def _id(self) -> str:
        if self._random.random() < 0.5:
            return f"{self._name}-{self._count}"
        bits = time.time_ns() // 10**6 << 80 | 7 << 76 | self._random.getrandbits(12) << 64 | 2 << 62
        return str(UUID(int=bits | self._random.getrandbits(62)))

    def _ts(self) -> str:
        # Up to a day back: some calls belong to yesterday's window.
        at = datetime.now(UTC) - timedelta(seconds=self._random.randrange(86_400))
        return at.isoformat(timespec="microseconds")


class Tally:
    """What one sender or all of them sent and had acknowledged; `acked` holds when, on the monotonic clock."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, str], Sent] = {}
        self.acked: dict[tuple[str, str], float] = {}
        self.batches = 0
        self.doubts = 0
        self.repeats = 0
        self.refused = 0
        self.faults: list[str] = []

    def add(self, other: "Tally") -> None:
        self.sent |= other.sent
        self.acked |= other.acked
        self.batches += other.batches
        self.doubts += other.doubts
        self.repeats += other.repeats
        self.refused += other.refused
        self.faults += other.faults


class Sender:
    """One thread that sends until told to stop. Whatever is not a clear yes is sent again with the same ids."""

    def __init__(
        self,
        name: str,
        urls: Sequence[str],
        key: str,
        *,
        seed: str,
        pause_s: float = 0.04,
        ledger_share: float = 0.0,
        tenants: Sequence[str] = TENANTS,
    ) -> None:
        self.tally = Tally()
        self._urls = [urlsplit(url).netloc for url in urls]
        self._key = key
        self._random = Random(f"{seed}/{name}")
        self._calls = Calls(f"{seed}-{name}", self._random, tenants)
        self._pause_s = pause_s
        self._ledger_share = ledger_share
        self._stopping = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, name=f"sender-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let it end; a batch in doubt stays in doubt."""
        self._stopping.set()

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive(), f"{self._thread.name} does not end"

    def _run(self) -> None:
        while not self._stopping.is_set():
            sent, body = self._calls.batch()
            self.tally.sent |= {(event.tenant, event.event_id): event for event in sent}
            path = "/v1/events?ack=ledger" if self._random.random() < self._ledger_share else "/v1/events"
            if self._deliver(path, body, len(sent)):
                self.tally.batches += 1
                at = time.monotonic()
                for event in sent:
                    self.tally.acked.setdefault((event.tenant, event.event_id), at)
                if self._random.random() < 0.1:
                    self.tally.repeats += 1
                    self._once(path, body, len(sent))
            self._stopping.wait(self._random.random() * 2 * self._pause_s)
        self._hang_up()

    def _deliver(self, path: str, body: bytes, events: int) -> bool:
        while not self._once(path, body, events):
            self.tally.doubts += 1
            if self._stopping.wait(0.05 + self._random.random() * 0.2):
                return False
        return True

    def _once(self, path: str, body: bytes, events: int) -> bool:
        try:
            status, retry_after, answer = self._post(path, body)
        except (OSError, http.client.HTTPException):
            self._hang_up()
            return False
        if status == 202:
            if json.loads(answer) != {"accepted": events, "rejected": []}:
                self.tally.faults.append(f"not taken whole: {answer[:300]!r}")
            return True
        if status == 503:
            self.tally.refused += 1
            if not retry_after:
                self.tally.faults.append(f"503 without Retry-After: {answer[:300]!r}")
        else:
            self.tally.faults.append(f"answered {status}: {answer[:300]!r}")
        return False

    def _post(self, path: str, body: bytes) -> tuple[int, str | None, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._random.choice(self._urls), timeout=TIMEOUT_S)
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        self._connection.request("POST", path, body, headers)
        with self._connection.getresponse() as answer:
            return answer.status, answer.headers["retry-after"], answer.read()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Senders:
    """Some senders at once."""

    def __init__(self, make: Callable[[str], Sender], count: int) -> None:
        self._senders = [make(f"s{number}") for number in range(count)]

    def start(self) -> None:
        for sender in self._senders:
            sender.start()

    @property
    def acked(self) -> int:
        """Events acknowledged so far."""
        return sum(len(sender.tally.acked) for sender in self._senders)

    def __iter__(self) -> Iterator[Sender]:
        return iter(self._senders)

    def stop(self) -> Tally:
        """End them all; what they sent."""
        for sender in self._senders:
            sender.stop()
        tally = Tally()
        for sender in self._senders:
            sender.join()
            tally.add(sender.tally)
        return tally
