"""Which events of a request are the same again, and what a narrow key may say of who saw a call."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Event, Observer, Seen
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.rows import row_identity
from tollbook.domain.tenancy import Tenancy
from tollbook.pipeline.resolve import Resolved, Resolver, Sender
from tollbook.pricing.book import compile_book

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)


def call(**more: Any) -> Event:
    return Event(**({"tenant": "acme", "agent": "a", "model": "m", "input": 1, "output": 0, "run": "r"} | more))


def resolve(sender: Sender, *events: Event, indexes: list[int] | None = None) -> Resolved:
    return Resolver(IntakeLimits(), compile_book([]), Tenancy()).resolve(events, indexes, sender, NOW)


def identities(found: Resolved) -> list[bytes]:
    return [row_identity(row)[0] for chunk in found.chunks.values() for row in chunk.rows]


def test_events_without_ids_are_named_by_the_request_the_item_and_their_place_in_it() -> None:
    asked = Sender(request_id="req-1")
    first = identities(resolve(asked, call(), call(), call(), indexes=[0, 0, 1]))
    assert len(set(first)) == 3
    assert identities(resolve(asked, call(), call(), call(), indexes=[0, 0, 1])) == first
    assert identities(resolve(asked, call(), call(), indexes=[0, 1])) == [first[0], first[2]]
    assert set(first).isdisjoint(identities(resolve(Sender(request_id="req-2"), call(), call())))


@pytest.mark.parametrize("narrow", [{"agent": "a"}, {"run": "r"}, {"agent": "a", "run": "r"}])
def test_a_narrow_key_does_not_speak_for_a_gateway(narrow: dict[str, str]) -> None:
    """A gateway's figures stand above an SDK's: an agent could talk its own calls cheap."""
    claimed = call(seen=Seen(by=Observer.GATEWAY, response_id="resp_0123456789abcdef"))
    own = call(seen=Seen(by=Observer.SDK, response_id="resp_0123456789abcdef"))
    found = resolve(Sender(tenant="acme", **narrow), claimed, own, call())
    assert [(one.index, one.code) for one in found.rejections] == [(0, RejectCode.OBSERVER_FORBIDDEN)]
    assert len(identities(found)) == 2
    assert resolve(Sender(tenant="acme"), claimed).rejections == []
