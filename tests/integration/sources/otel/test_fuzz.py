"""Mutated real payloads: never a 5xx, and what is counted of a request is whole events within every bound."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.unit.ingest.otel.seen import FLEETS, PAYLOADS, as_json, spans
from tests.world import World
from tollbook.api.otlp import OtlpApp
from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.pipeline.resolve import Resolved, Sender

SIGNALS = ("traces", "logs", "metrics")
LIMITS = IntakeLimits()
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 10**30, float(2**53), "", " ", "\x00", "\ud800", "x" * 5_000, [], {}, [[[]]]),
    *({"intValue": "9" * 40}, {"stringValue": 7}, {"kvlistValue": {"values": [1]}}, "18446744073709551616", "-5"),
)


def captured_at() -> datetime:
    """When the payloads were captured, and a moment later."""
    latest = max(one.end_nanos for fleet in FLEETS for one in spans(fleet))
    return datetime.fromtimestamp(latest // 1_000_000_000, UTC) + timedelta(hours=1)


class Counting:
    """An intake that counts what it would keep."""

    def __init__(self) -> None:
        self.rows = 0

    async def accept(self, resolved: Resolved, _ack: str) -> None:
        """Count."""
        self.rows += sum(len(chunk.rows) for chunk in resolved.chunks.values())


class Watching:
    """A resolver that looks at every event before it is resolved."""

    def __init__(self, resolver: Any) -> None:
        self._resolver = resolver
        self.events_seen = 0

    def under(self, *given: Any) -> None:
        """As the real one."""
        self._resolver.under(*given)

    def resolve(self, events: list[Event], indexes: list[int], sender: Sender, now: Any) -> Resolved:
        """Resolve, and hold each event to its bounds."""
        for event in events:
            counts = (event.input, event.output, event.cache_read, event.cache_write_5m, event.cache_write_1h)
            assert all(0 <= each <= LIMITS.tokens_max for each in (*counts, event.reasoning))
            assert event.cache_read + event.cache_write_5m + event.cache_write_1h <= event.input
            assert event.reasoning <= event.output
            assert event.id
            assert event.seen is not None
        self.events_seen += len(events)
        return self._resolver.resolve(events, indexes, sender, now)


def mutated_bytes(body: bytes, random: Random) -> bytes:
    """Some bytes changed, taken out, doubled, or the end cut off."""
    found = bytearray(body)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(found))
        match random.randrange(5):
            case 0:
                found[at] = random.randrange(256)
            case 1:
                found[at] ^= 1 << random.randrange(8)
            case 2:
                del found[at : at + random.randint(1, 8)]
            case 3:
                found[at:at] = found[at : at + random.randint(1, 64)]
            case _:
                if random.random() < 0.2:
                    del found[at:]
        if not found:
            return b"\x00"
    return bytes(found)


def mutated_json(body: bytes, random: Random) -> bytes:
    """Some values changed to others of any kind, some members gone or renamed; now and then broken text."""
    whole = json.loads(body)
    places = list(_places(whole))
    for _ in range(random.randint(1, 4)):
        inside, key = random.choice(places)
        match random.randrange(3):
            case 0:
                inside[key] = random.choice(ODD)
            case 1 if isinstance(inside, dict):
                inside.pop(key, None)
            case _ if isinstance(inside, dict) and key in inside:
                inside[random.choice(("value", "attributes", "x"))] = inside[key]
            case _:
                inside[key] = random.choice(places)[0] if random.random() < 0.01 else random.choice(ODD)
    try:
        text = json.dumps(whole).encode()
    except (ValueError, RecursionError):
        return body
    return mutated_bytes(text, random) if random.random() < 0.1 else text


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield value, key
        yield from _places(each)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    "mutations",
    [pytest.param(150, id="some"), pytest.param(20_000, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def test_no_mutation_is_trouble_or_counts_in_part(world: World, signal: str, mutations: int) -> None:
    # The payloads are of the day of their capture: the world lives then, or they would be too old to count.
    world.clock.ahead = captured_at() - world.clock.now()
    world.run(world.spans.make_span_room(world.clock.now(), 30))
    world.services.intake = intake = Counting()  # type: ignore[assignment]
    world.services.resolver = watching = Watching(world.resolver())  # type: ignore[assignment]
    key = world.key()
    payloads = [path.read_bytes() for path in sorted(Path(PAYLOADS).glob(f"*.{signal}.pb"))]
    texts = [as_json(body, signal) for body in payloads]
    app = OtlpApp(world.services, world.front._intake)
    statuses = world.run(_all(app, intake, signal, key, (payloads, texts), mutations))
    assert set(statuses) <= {200, 400, 413}
    assert statuses.count(200) > mutations / 10
    assert statuses.count(400) > 0
    assert intake.rows > 0
    assert watching.events_seen >= intake.rows


async def _all(
    app: OtlpApp, intake: Counting, signal: str, key: str, bodies: tuple[list[bytes], list[bytes]], mutations: int
) -> list[int]:
    statuses = []
    for seed in range(mutations):
        random = Random(f"{signal}:{seed}")
        is_json = random.random() < 0.5
        body = random.choice(bodies[is_json])
        body = mutated_json(body, random) if is_json else mutated_bytes(body, random)
        before = intake.rows
        status, answer = await _ask(app, signal, key, body, is_json=is_json)
        taken = intake.rows - before
        assert status < 500, (seed, answer)
        assert status == 200 or taken == 0, (seed, answer)
        statuses.append(status)
    return statuses


async def _ask(app: OtlpApp, signal: str, key: str, body: bytes, *, is_json: bool) -> tuple[int, bytes]:
    media = b"application/json" if is_json else b"application/x-protobuf"
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/v1/{signal}",
        "query_string": b"",
        "headers": [(b"content-type", media), (b"authorization", f"Bearer {key}".encode())],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


def test_the_fuzz_would_notice(world: World) -> None:
    """A resolver that is given a negative count says so: the watch is not asleep."""
    watching = Watching(world.resolver())
    event = Event(tenant="acme", agent="a", model="m", input=-1, output=0, id="x")
    with pytest.raises(AssertionError):
        watching.resolve([event], [0], Sender(), world.clock.now())
