"""An event's units, context and tenant on their way into its cost; what cannot be priced is refused by itself."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.tenancy import Tenancy
from tollbook.enforcement.estimates import upper_nanos
from tollbook.pipeline.resolve import Resolved, Resolver, Sender
from tollbook.pricing.book import PriceBook, compile_book
from tollbook.pricing.own import read_overrides

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
OWN = """
[[model]]
provider = "acme"
model = "m"
usd = { input_tokens = 1, output_tokens = 2, input_audio_tokens = 3, web_searches = 10 }

[[model]]
provider = "acme"
model = "m"
when = { speed = "fast" }
usd = { input_tokens = 5, output_tokens = 10, input_audio_tokens = 15 }

[[discount]]
name = "friends"
tenant = "friends"
percent = 50
"""


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return compile_book([], own=read_overrides(OWN))


def resolve(book: PriceBook, *events: Event) -> Resolved:
    return Resolver(IntakeLimits(), book, Tenancy()).resolve(events, None, Sender(), NOW)


def call(tenant: str = "acme", **more: Any) -> Event:
    return Event(**({"tenant": tenant, "agent": "a", "model": "m", "input": 1_000, "output": 0} | more))


def nanos(found: Resolved) -> int:
    assert not found.rejections
    return sum(cost for chunk in found.chunks.values() for cost in chunk.nanos.values())


def test_units_context_and_tenant_are_in_the_cost(book: PriceBook) -> None:
    units = {"input_audio_tokens": 400, "web_searches": 2}
    assert nanos(resolve(book, call())) == 1_000_000
    assert nanos(resolve(book, call(units=units))) == 600_000 + 1_200_000 + 20_000_000
    assert nanos(resolve(book, call(units={}))) == 1_000_000
    assert nanos(resolve(book, call(context={"speed": "fast"}))) == 5_000_000
    assert nanos(
        resolve(book, call("friends", units=units, context={"speed": "fast"}))
    ) == 3_000_000 // 2 + 3_000_000 + (10_000_000)


def test_an_event_whose_units_say_nothing_consistent_is_refused_alone(book: PriceBook) -> None:
    found = resolve(
        book,
        call(),
        call(units={"input_audio_tokens": 1_001}),
        call(units={"input_audio_token": 1}),
        call(units={"web_searches": -1}),
        call(),
    )
    assert [(refused.index, refused.code) for refused in found.rejections] == [
        (1, "units_inconsistent"),
        (2, "unit_unknown"),
        (3, "field_out_of_range"),
    ]
    assert sum(len(chunk.rows) for chunk in found.chunks.values()) == 2


def test_a_cost_of_units_beyond_the_bound_is_refused(book: PriceBook) -> None:
    found = resolve(book, call(units={"web_searches": 10**15}))
    assert [refused.code for refused in found.rejections] == ["cost_out_of_range"]


def test_a_fee_without_a_price_is_told(book: PriceBook) -> None:
    assert resolve(book, call(units={"code_executions": 1})).unpriced == {("acme", "m")}
    assert resolve(book, call(units={"web_searches": 1})).unpriced == set()


def test_another_book_prices_from_then_on(book: PriceBook) -> None:
    resolver = Resolver(IntakeLimits(), book, Tenancy())
    resolver.price_by(compile_book([], own=read_overrides(OWN.replace("input_tokens = 1,", "input_tokens = 7,"))))
    assert nanos(resolver.resolve([call()], None, Sender(), NOW)) == 7_000_000


def test_the_gate_holds_what_the_tenant_pays(book: PriceBook) -> None:
    usual = upper_nanos(book.rates(None, "m", None, NOW), 1_000, 1_000)
    assert upper_nanos(book.rates(None, "m", None, NOW, tenant="friends"), 1_000, 1_000) * 2 == usual
