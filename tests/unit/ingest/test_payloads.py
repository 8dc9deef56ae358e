"""Every dialect, from what real packages made of calls: the counts, the units, the names."""

import pytest

from tests.payloads import Payload, payloads
from tests.payloads.expected import EXPECTED, call_of

PAYLOADS = payloads()


@pytest.mark.parametrize("payload", PAYLOADS, ids=[payload.name for payload in PAYLOADS])
def test_a_payload_is_taken_as_what_it_was(payload: Payload) -> None:
    decoded = payload.decoded()
    assert decoded.rejections == []
    assert [call_of(event) for event in decoded.events] == EXPECTED[payload.name]


def test_every_payload_is_described() -> None:
    assert {payload.name for payload in PAYLOADS} == EXPECTED.keys()


@pytest.mark.parametrize("payload", PAYLOADS, ids=[payload.name for payload in PAYLOADS])
def test_parts_lie_within_their_wholes(payload: Payload) -> None:
    for event in payload.decoded().events:
        assert event.cache_read + event.cache_write_5m + event.cache_write_1h <= event.input
        assert event.reasoning <= event.output
        units = event.units or {}
        assert sum(units.get(f"input_{kind}_tokens", 0) for kind in ("audio", "image", "video")) <= event.input
        assert sum(units.get(f"output_{kind}_tokens", 0) for kind in ("audio", "image", "video")) <= event.output
        assert all(amount > 0 for amount in units.values())


def test_the_same_answer_sent_twice_bears_the_same_id() -> None:
    for payload in PAYLOADS:
        first, second = payload.decoded().events, payload.decoded().events
        assert [event.id for event in first] == [event.id for event in second]
