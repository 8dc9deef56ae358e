"""A cost taken apart by the card that an entry names, and a reported one judged against it."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.domain.errors import InvariantViolated
from tollbook.domain.usage import Usage
from tollbook.pricing.book import PriceBook, compile_book
from tollbook.pricing.cards import PriceRow
from tollbook.pricing.explain import explain, fraction_text, rates_of
from tollbook.pricing.own import read_overrides
from tollbook.pricing.quote import QuoteFlag
from tollbook.pricing.reported import Reported, judge_reported

AT = datetime(2026, 11, 5, 12, tzinfo=UTC)
USAGE = Usage(input=9_003, output=1_009, cache_read=5_001, cache_write_5m=701, cache_write_1h=307, reasoning=211)


def test_every_stored_card_explains_what_it_quotes(book: PriceBook) -> None:
    """Through JSON, as the ledger keeps it: the card compiled anew is the same, and so is every cost."""
    cards = {card.price_id: card for card in book.standing(AT)}
    assert len(cards) > 2_000
    for price_id, card in cards.items():
        row = msgspec.json.decode(msgspec.json.encode(card.row()), type=PriceRow)
        rates = rates_of(row, units=book.units)
        if card.tokens is None:
            assert rates.flags == QuoteFlag.UNPRICED
            continue
        found = explain(rates, USAGE)
        assert rates.price_id == price_id
        assert found.cost_nanos == card.tokens.cost_nanos(USAGE), row
        assert round(sum(Fraction(line.nanos) for line in found.lines)) == found.cost_nanos
        for line in found.lines:
            assert Fraction(line.nanos) == Fraction(line.usd) * 10**9 / line.per * line.count


def test_a_line_shows_the_leaf_and_the_price_of_its_tier(book: PriceBook) -> None:
    rates = book.rates("openai", "gpt-5.6-sol", None, AT)
    found = explain(rates, Usage(input=300_000, output=10, cache_read=250_000), {"web_searches": 2})
    lines = {line.unit: (line.count, line.usd, line.per) for line in found.lines}
    assert lines["input_tokens"] == (50_000, "8", 1_000_000)
    assert lines["cache_read_tokens"][0] == 250_000
    assert lines["web_searches"] == (2, "10", 1_000)
    assert not any(line.ceiling for line in found.lines)


def test_what_has_no_price_is_marked(book: PriceBook) -> None:
    found = explain(book.rates(None, "no-such-model", None, AT), Usage(input=10, output=1), {"web_searches": 1})
    assert [(line.unit, line.count, line.usd, line.ceiling) for line in found.lines] == [
        ("input_tokens", 10, "20", True),
        ("output_tokens", 1, "80", True),
        ("web_searches", 1, "35", True),
    ]
    assert found.price_id is None
    assert found.cost_nanos == 200_000 + 80_000 + 35_000_000
    fee = explain(book.rates("anthropic", "claude-opus-4-7", None, AT), USAGE, {"code_executions": 1})
    assert [line.unit for line in fee.lines if line.ceiling] == ["code_executions"]
    assert (
        fee.cost_nanos == explain(book.rates("anthropic", "claude-opus-4-7", None, AT), USAGE).cost_nanos + 30_000_000
    )


def test_an_own_card_and_a_discount_come_back_from_the_ledger_too() -> None:
    own = read_overrides(
        """
        [[model]]
        provider = "acme"
        model = "m"
        usd = { input_tokens = { base = "1", over = { 100 = "3" } }, output_tokens = 2.5, web_fetches = 1 }
        [[discount]]
        name = "friends"
        percent = 12.5
        """
    )
    book = compile_book([], own=own)
    (row,) = book.rows()
    assert row.origin == "discount"
    assert row.factors == [{"name": "friends", "factor": "0.875"}]
    rates = rates_of(msgspec.json.decode(msgspec.json.encode(row), type=PriceRow))
    quote = book.quote(Usage(input=101, output=1), provider="acme", model="m", at=AT, units={"web_fetches": 1})
    found = explain(rates, Usage(input=101, output=1), {"web_fetches": 1})
    assert (found.cost_nanos, found.price_id) == (quote.cost_nanos, quote.price_id)
    assert quote.cost_nanos == round(Fraction(7, 8) * (101 * 3_000 + 2_500 + 1_000_000))


@given(st.fractions(min_value=0))
def test_an_exact_amount_reads_back(amount: Fraction) -> None:
    assert Fraction(fraction_text(amount)) == amount


@pytest.mark.parametrize(
    ("computed", "reported", "found"),
    [
        (0, 0, Reported.AGREES),
        (0, 1_000, Reported.AGREES),
        (0, 1_001, Reported.HIGHER),
        (1_001, 0, Reported.LOWER),
        (100_000_000, 90_000_000, Reported.AGREES),
        (100_000_000, 89_999_999, Reported.LOWER),
        (90_000_000, 100_000_000, Reported.AGREES),
        (89_999_999, 100_000_000, Reported.HIGHER),
        (1_000_000_000, 100_000_000_000, Reported.HIGHER),
    ],
)
def test_a_report_far_from_the_computed_cost_is_told(computed: int, reported: int, found: Reported) -> None:
    assert judge_reported(computed, reported, Decimal("0.1")) is found


@given(st.integers(0, 10**15), st.integers(0, 10**15), st.decimals(0, 1, places=3))
def test_the_same_two_amounts_are_judged_alike(one: int, other: int, share: Decimal) -> None:
    opposite = {Reported.AGREES: Reported.AGREES, Reported.LOWER: Reported.HIGHER, Reported.HIGHER: Reported.LOWER}
    assert judge_reported(other, one, share) is opposite[judge_reported(one, other, share)]


def test_a_share_is_a_share() -> None:
    with pytest.raises(InvariantViolated):
        judge_reported(1, 1, Decimal("1.1"))
