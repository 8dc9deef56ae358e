"""What moves between two books of prices, and which moves are too large to take unasked."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tollbook.pricing.book import PriceBook, compile_book
from tollbook.pricing.diff import Move, moves
from tollbook.pricing.own import read_overrides

AT = datetime(2026, 11, 5, 12, tzinfo=UTC)


def book_with(*models: str, more: str = "") -> PriceBook:
    entries = [f'[[model]]\nprovider = "acme"\nmodel = "m"\n{model}\n' for model in models]
    return compile_book([], own=read_overrides("".join(entries) + more))


def facts(move: Move) -> tuple[object, ...]:
    return move.unit, move.input_tokens_over, move.before_usd, move.after_usd


def test_equal_books_have_no_moves(book: PriceBook) -> None:
    assert moves(book, book, AT) == []


def test_a_move_names_the_price_and_both_amounts() -> None:
    before = book_with("usd = { input_tokens = 1, output_tokens = 2 }")
    after = book_with("usd = { input_tokens = '1.5', output_tokens = 2, web_searches = 3 }")
    assert [facts(move) for move in moves(before, after, AT)] == [
        ("input_tokens", 0, "1", "1.5"),
        ("web_searches", 0, None, "3"),
    ]


def test_a_tier_moves_by_itself() -> None:
    before = book_with('usd = { input_tokens = { base = "1", over = { 100 = "2" } } }')
    after = book_with('usd = { input_tokens = { base = "1", over = { 100 = "8", 200 = "9" } } }')
    assert [facts(move) for move in moves(before, after, AT)] == [
        ("input_tokens", 100, "2", "8"),
        ("input_tokens", 200, "2", "9"),
    ]


def test_a_price_of_the_future_moves_from_its_day_on_and_one_of_the_past_not_at_all() -> None:
    usual = "usd = { input_tokens = 1 }"
    soon = AT + timedelta(days=9)
    dated = f"usd = {{ input_tokens = 2 }}\nfrom = {soon:%Y-%m-%dT%H:%M:%SZ}"
    (move,) = moves(book_with(usual), book_with(usual, dated), AT)
    assert (move.at, facts(move)) == (soon, ("input_tokens", 0, "1", "2"))
    past = "usd = { input_tokens = 2 }\nuntil = 2026-11-05T12:00:00Z"
    assert moves(book_with(usual), book_with(usual, past), AT) == []


def test_a_context_moves_by_itself_and_a_new_one_from_what_it_cost_before() -> None:
    usual = "usd = { input_tokens = 1 }"
    flex = 'usd = { input_tokens = "0.1" }\nwhen = { service_tier = "flex" }'
    (move,) = moves(book_with(usual), book_with(usual, flex), AT)
    assert (move.context, facts(move)) == ({"service_tier": "flex"}, ("input_tokens", 0, "1", "0.1"))


def test_a_discount_moves_the_prices_of_its_tenant() -> None:
    usual = "usd = { input_tokens = 1 }"
    discount = '[[discount]]\nname = "d"\ntenant = "acme"\npercent = 90\n'
    (move,) = moves(book_with(usual), book_with(usual, more=discount), AT)
    assert (move.tenant, facts(move)) == ("acme", ("input_tokens", 0, "1", "0.1"))


@pytest.mark.parametrize(
    ("before", "after", "exceeds"),
    [
        ("1", "3", False),
        ("1", "3.000000001", True),
        ("3", "1", False),
        ("3.000000001", "1", True),
        ("0", "0.1", True),
        ("0.1", "0", True),
        ("0", "0", False),
        (None, "9", False),
        ("9", None, False),
    ],
)
def test_a_move_beyond_the_factor_is_told(before: str | None, after: str | None, exceeds: bool) -> None:
    move = Move(
        provider="p",
        model="m",
        tenant=None,
        context={},
        unit="input_tokens",
        per=1_000_000,
        input_tokens_over=0,
        at=AT,
        before_usd=before,
        after_usd=after,
    )
    assert move.exceeds(Decimal(3)) is exceeds
