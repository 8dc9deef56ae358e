"""What a lease hands out never passes what was granted, whatever its calls do."""

from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tollbook.client.leases import LeaseBook, LeaseKey, Part
from tollbook.client.wire import LeaseBody, Rates
from tollbook.domain.money import usd_text

KEY = LeaseKey("acme", "a", None, "m", None, None, (), (), None)
RATES = Rates(3, 15)


def body(nanos: int, tokens: int | None = None, calls: int | None = None, rates: Rates | None = RATES) -> LeaseBody:
    return LeaseBody("l1", datetime(2099, 1, 1, tzinfo=UTC), usd_text(nanos), tokens, calls, rates)


def book_of(nanos: int, **more: int | None) -> LeaseBook:
    book = LeaseBook(calls=8)
    book.granted(KEY, body(nanos, **more), 100.0)
    return book


def take(book: LeaseBook, output: int, *, given: int = 0, least: int | None = None, now: float = 0.0) -> Part | None:
    return book.take(KEY, now, input_tokens=given, output_tokens=output, least=output if least is None else least)


def test_parts_are_numbered() -> None:
    book = book_of(1_000)
    assert [part.hold_id for part in (take(book, 1), take(book, 1)) if part] == ["l1.1", "l1.2"]


def test_no_part_beyond_the_slice() -> None:
    book = book_of(150)
    assert take(book, 10)
    assert take(book, 1) is None


def test_less_is_granted_where_less_helps() -> None:
    part = take(book_of(100), 10, given=5, least=2)
    assert part is not None
    assert part.granted == 5


def test_no_part_shortly_before_the_end_nor_after() -> None:
    book = book_of(1_000)
    assert take(book, 1, now=98.9)
    assert take(book, 1, now=99.0) is None
    assert take(book, 1, now=100.0) is None


def test_what_an_event_cannot_have_cost_goes_back_at_once() -> None:
    book = book_of(150)
    part = take(book, 10)
    assert part is not None
    book.used(part, "e1", input_tokens=0, output_tokens=4)
    assert take(book, 6)
    assert take(book, 1) is None


def test_a_call_that_cost_more_takes_it_from_the_lease() -> None:
    book = book_of(300)
    part = take(book, 10)
    assert part is not None
    book.used(part, "e1", input_tokens=0, output_tokens=25)
    assert take(book, 1) is None


def test_tokens_and_calls_bound_too() -> None:
    assert take(book_of(10_000, tokens=10), 11) is None
    book = book_of(10_000, calls=1)
    assert take(book, 1)
    assert take(book, 1) is None


def test_without_rates_nothing_is_handed_out() -> None:
    book = LeaseBook(calls=8)
    book.granted(KEY, body(1_000, rates=None), 100.0)
    assert take(book, 1) is None


def test_the_second_call_of_a_key_asks_once_and_a_dry_lease_asks_for_more() -> None:
    book = LeaseBook(calls=8)
    assert [book.wants(KEY) for _ in range(3)] == [None, 8, None]
    book.granted(KEY, body(150), 100.0)
    assert book.wants(KEY) is None
    assert take(book, 10)
    assert book.wants(KEY) == 16


def test_a_refused_asking_may_be_tried_again() -> None:
    book = LeaseBook(calls=8)
    assert [book.wants(KEY), book.wants(KEY)] == [None, 8]
    book.granted(KEY, None, 100.0)
    assert book.wants(KEY) == 8


def test_an_idle_lease_is_given_back_and_a_used_one_extended() -> None:
    book = book_of(1_000)
    extend, give_back = book.due(10.0)
    assert (len(extend), give_back) == (1, [])
    extend, give_back = book.due(20.0)
    assert (extend, [(lease.id, keep) for lease, keep in give_back]) == ([], [("l1", 0)])
    assert take(book, 1, now=21.0) is None


def test_closing_keeps_what_the_server_has_not_heard_of() -> None:
    book = book_of(1_000)
    open_part, reported, delivered = take(book, 10), take(book, 10), take(book, 10)
    assert open_part and reported and delivered  # noqa: PT018
    book.used(reported, "e1", input_tokens=0, output_tokens=2)
    book.used(delivered, "e2", input_tokens=0, output_tokens=2)
    book.accepted(["e2", "unknown"])
    assert [keep for _, keep in book.close()] == [150 + 30]


class Lease(RuleBasedStateMachine):
    """Parts taken, grown, used and given back in any order."""

    GRANTED = 20_000

    def __init__(self) -> None:
        super().__init__()
        self.book = book_of(self.GRANTED)
        self.open: list[Part] = []
        self.cost = 0
        self.events = 0

    @rule(given=st.integers(0, 50), output=st.integers(0, 100), least=st.integers(0, 100))
    def take(self, given: int, output: int, least: int) -> None:
        part = take(self.book, output, given=given, least=min(least, output))
        if part is not None:
            assert min(least, output) <= part.granted <= output
            self.open.append(part)

    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        if self.open:
            part = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
            output = data.draw(st.integers(0, part.granted))
            given = part.tokens - part.granted
            self.events += 1
            self.book.used(part, f"e{self.events}", input_tokens=given, output_tokens=output)
            self.cost += RATES.bound(given, output)

    @rule(more=st.integers(1, 100))
    def grow(self, more: int) -> None:
        if self.open:
            self.book.grow(self.open[0], more)

    @rule()
    def give_back(self) -> None:
        if self.open:
            self.book.unused(self.open.pop())

    @invariant()
    def never_more_than_granted(self) -> None:
        assert self.cost + sum(part.bound_nanos for part in self.open) <= self.GRANTED


Lease.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLease = pytest.mark.filterwarnings("ignore::DeprecationWarning")(Lease.TestCase)
