"""Whatever is made of a real payload: each item is taken whole or refused, nothing else is raised, bounds hold."""

from pathlib import Path

import pytest

from tests.payloads import LIMITS, Payload, payloads
from tests.unit.ingest.mutating import mutated
from tollbook.domain.errors import RejectCode, RequestError
from tollbook.domain.event import Event
from tollbook.ingest.decoded import Decoded

PAYLOADS = payloads()
DIALECTS: dict[str, list[Payload]] = {}
for _payload in PAYLOADS:
    DIALECTS.setdefault(_payload.path if _payload.path != "/v1/events" else "cloudevents", []).append(_payload)

MUTATIONS = 20_000
QUICK = 150


def check(payload: Payload, body: bytes) -> None:
    """Decode, and hold what comes to the room's invariants."""
    try:
        decoded = payload.decoded(body)
    except RequestError:
        return
    whole(decoded)
    for event in decoded.events:
        bounded(event)


def whole(decoded: Decoded) -> None:
    """Every item is taken, ignored or refused, and none is two of it."""
    indexes = decoded.indexes if decoded.indexes is not None else list(range(len(decoded.events)))
    assert len(indexes) == len(decoded.events)
    refused = [rejection.index for rejection in decoded.rejections]
    assert len(set(refused)) == len(refused)
    assert not set(refused) & set(indexes)
    assert len(set(indexes)) + decoded.ignored + len(refused) == decoded.items
    assert all(0 <= index < decoded.items for index in (*indexes, *refused))
    assert {rejection.code for rejection in decoded.rejections} <= {code.value for code in RejectCode}


def bounded(event: Event) -> None:
    """An event keeps every bound, its parts lie within their wholes."""
    usage = event.usage
    counts = [getattr(usage, name) for name in usage.__struct_fields__]
    assert all(type(count) is int and 0 <= count <= LIMITS.tokens_max for count in counts)
    assert usage.cache_read + usage.cache_write_5m + usage.cache_write_1h <= usage.input
    assert usage.reasoning <= usage.output
    for name in (event.tenant, event.agent, event.model, event.source, event.run, event.provider, event.service_tier):
        assert name is None or 0 < len(name) <= LIMITS.name_chars_max
    for name in (event.id, event.call_id):
        assert name is None or 0 < len(name) <= LIMITS.id_chars_max
    for unit, amount in (event.units or {}).items():
        assert type(amount) is int
        assert 0 < amount <= LIMITS.tokens_max, unit
    if event.seen is not None:
        for name in (event.seen.response_id, event.seen.request_id):
            assert name is None or len(name) <= LIMITS.id_chars_max + len("#10000")


@pytest.mark.parametrize("name", DIALECTS, ids=lambda name: Path(name).name)
def test_mutated_payloads_are_taken_whole_or_refused(name: str) -> None:
    for payload in DIALECTS[name]:
        for body in mutated(payload, QUICK // len(DIALECTS[name]) + 10, seed=1):
            check(payload, body)


@pytest.mark.slow
@pytest.mark.parametrize("name", DIALECTS, ids=lambda name: Path(name).name)
def test_twenty_thousand_mutated_payloads_are_taken_whole_or_refused(name: str) -> None:
    for payload in DIALECTS[name]:
        for body in mutated(payload, MUTATIONS // len(DIALECTS[name]) + 1, seed=2):
            check(payload, body)
