"""The live screen without a terminal: what keys change, and frames of every size."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tollbook.domain.money import NANOS_PER_USD
from tollbook.terminal.answers import Sums
from tollbook.terminal.top.frame import Size, frame, once_rows
from tollbook.terminal.top.rates import Rates
from tollbook.terminal.top.state import Key, Order, State
from tollbook.terminal.top.view import Gauge, Head, Kind, Line, Place, Reading

NOW = datetime(2026, 11, 28, 20, 30, tzinfo=UTC)
SERVER = "127.0.0.1:8787"


def line(name: str, dollars: int, *, limit: int = 50, throttled: bool = False, calls: int = 1) -> Line:
    return Line(
        key=(name,),
        name=name,
        tenant=name,
        sums=Sums(calls=calls, cost_nanos=dollars * NANOS_PER_USD),
        limit_nanos=limit * NANOS_PER_USD,
        throttled=throttled,
        reset_at=(NOW + timedelta(hours=3, minutes=30)).isoformat(),
    )


EVERYWHERE = Place()
NOTHING = Head()


def begun(*lines: Line, place: Place = EVERYWHERE, kind: Kind = Kind.TENANTS, head: Head = NOTHING) -> State:
    state = State.begin(place, kind)
    state.take(Reading(place=place, kind=kind, head=head, lines=lines))
    return state


def text_of(state: State, width: int = 80, height: int = 24, *, plain: bool = False) -> list[str]:
    return [row.text.rstrip() for row in frame(state, Size(width, height, plain), NOW, SERVER)]


def names(state: State) -> list[str]:
    return [each.name for each in state.lines()]


FLEET = (line("acme", 60, throttled=True), line("globex", 5, limit=6, calls=9), line("hooli", 20, calls=4))


def test_lines_are_sorted_by_what_was_chosen() -> None:
    state = begun(*FLEET)
    assert names(state) == ["acme", "hooli", "globex"]
    state.press("C")
    assert names(state) == ["globex", "hooli", "acme"]
    state.press("r")
    assert names(state) == ["acme", "hooli", "globex"]
    state.press("r")
    state.press("U")
    assert names(state) == ["acme", "globex", "hooli"]
    state.press("N")
    assert names(state) == ["acme", "globex", "hooli"]
    for order in (Order.SPENT, Order.USED, Order.RATE, Order.CALLS, Order.NAME):
        state.press("s")
        assert state.sorted_by() is order


def test_the_cursor_stays_with_its_line_wherever_that_moves() -> None:
    state = begun(*FLEET)
    state.press(Key.DOWN)
    assert state.lines()[state.position(state.lines())].name == "hooli"
    state.take(Reading(place=Place(), kind=Kind.TENANTS, lines=(*FLEET[:2], line("hooli", 90), line("new", 70))))
    assert names(state) == ["hooli", "new", "acme", "globex"]
    assert state.position(state.lines()) == 0
    state.press(Key.END)
    state.press(Key.DOWN)
    assert state.position(state.lines()) == 3


def test_a_filter_narrows_and_escape_takes_it_back() -> None:
    state = begun(*FLEET)
    for key in ("/", "o", "O", "q", Key.BACK):
        state.press(key)
    assert not state.quits
    assert names(state) == ["hooli"]
    state.press(Key.ENTER)
    assert (state.editing, len(state.levels)) == (False, 1)
    state.press(Key.ESCAPE)
    assert len(names(state)) == 3
    state.press("t")
    assert names(state) == ["acme"]


def test_one_goes_down_to_a_run_and_comes_back_to_where_one_stood() -> None:
    state = begun(*FLEET)
    state.press(Key.DOWN)
    state.press(Key.ENTER)
    assert state.wanted == (Place("hooli"), Kind.AGENTS)
    state.take(Reading(place=Place("hooli"), kind=Kind.AGENTS, lines=(Line(key=("a",), name="a/b", tenant="hooli"),)))
    state.press(Key.ENTER)
    assert state.wanted == (Place("hooli", "a/b"), Kind.RUNS)
    state.take(Reading(place=state.level.place, kind=Kind.RUNS, lines=(Line(key=("r",), name="r", tenant="hooli"),)))
    state.press(Key.ENTER)
    assert state.wanted == (Place("hooli", run="r"), Kind.INSTANCES)
    for _ in range(5):
        state.press(Key.ESCAPE)
    assert state.wanted == (Place(), Kind.TENANTS)
    assert state.position(state.lines()) == 1


def test_what_was_known_goes_on_showing_while_the_server_is_away() -> None:
    state = begun(*FLEET)
    state.take(Reading(place=Place(), kind=Kind.TENANTS, failure="nothing answers at x: start it"))
    shown = text_of(state)
    assert len(names(state)) == 3
    assert "nothing answers at x: start it" in shown[-1]
    state.take(Reading(place=Place(), kind=Kind.TENANTS, lines=FLEET[:1]))
    assert "quit" in text_of(state)[-1]


def test_a_throttled_tenant_is_marked_in_signs_and_words() -> None:
    shown = text_of(begun(*FLEET, head=Head(throttled=("acme",))))
    (marked,) = (row for row in shown if row.startswith("! acme"))
    assert "120%" in marked
    assert "throttled 3h 30m" in marked
    assert any("! 1 throttled" in row for row in shown)


def test_budgets_of_a_tenant_are_bars() -> None:
    gauges = (
        Gauge(label="daily", unit="usd", spent=45 * NANOS_PER_USD, limit=50 * NANOS_PER_USD),
        Gauge(label="rate model gpt", unit="calls", spent=60, limit=60, refuses=True, reset_at=NOW.isoformat()),
    )
    shown = text_of(begun(place=Place("acme"), kind=Kind.AGENTS, head=Head(gauges=gauges)))
    assert any("daily" in row and "90%" in row and "$45.00 of $50.00" in row for row in shown)
    assert any("60 of 60 calls" in row and "refuses" in row for row in shown)


_NAMES = st.text(min_size=1, max_size=40) | st.sampled_from(["\x1b[31m", "日本" * 30, "a\u202eb", "x" * 300])
_LINES = st.lists(
    st.builds(
        lambda name, index, cost, limit: Line(
            key=(name, str(index)),
            name=name,
            tenant=name,
            sums=Sums(calls=3, cost_nanos=cost, input=10**7, output=10**6, cache_read=10**6, unpriced_nanos=cost // 2),
            limit_nanos=limit,
            rate_nanos=cost,
            throttled=limit == 0,
            first_ts=NOW.isoformat(),
            last_ts=NOW.isoformat(),
            agents=5,
            own_nanos=cost,
            guide="├─ ",
        ),
        _NAMES,
        st.integers(0, 10**9),
        st.integers(0, 10**15),
        st.none() | st.integers(0, 10**12),
    ),
    max_size=40,
)
_PLACES = st.sampled_from([
    (Place(), Kind.TENANTS),
    (Place(), Kind.AGENTS),
    (Place(), Kind.MODELS),
    (Place(), Kind.RUNS),
    (Place("a\x1bb"), Kind.AGENTS),
    (Place("acme", run="r" * 300), Kind.INSTANCES),
])  # fmt: skip
_KEYS = st.lists(st.sampled_from([*Key, *"/?sSrt +-123jkGgq"]), max_size=12)


@given(_LINES, _PLACES, _KEYS, st.integers(1, 200), st.integers(1, 60), st.booleans())
def test_every_frame_fits_its_screen_and_nothing_in_it_acts(
    lines: list[Line], at: tuple[Place, Kind], keys: list[Key | str], width: int, height: int, plain: bool
) -> None:
    state = begun(*lines, place=at[0], kind=at[1], head=Head(spent_nanos=1, limit_nanos=2, hours=(1, 2)))
    for key in keys:
        state.press(key)
    rows = frame(state, Size(width, height, plain), NOW, SERVER)
    assert len(rows) == height
    for row in rows:
        assert cell_len(row.text) <= width, row.text
        assert row.text.isprintable() or not any(c < " " or c == "\x1b" or "\u202a" <= c <= "\u202e" for c in row.text)


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_the_screen_fits_eighty_columns_with_what_matters(width: int) -> None:
    shown = text_of(begun(*FLEET, head=Head(spent_nanos=85 * NANOS_PER_USD)), width)
    (acme,) = (row for row in shown if row.startswith("! acme"))
    assert all(part in acme for part in ("$60.00", "120%", "throttled"))
    assert ("$50.00" in acme, "$85.00" in shown[1]) == (True, True)


def test_a_pipe_gets_every_line_once() -> None:
    state = begun(*(line(f"tenant-{number}", number) for number in range(200)))
    rows = once_rows(state.reading(), state.lines(), Size(160, 0), NOW)
    shown = [row.text for row in rows if "tenant-" in row.text]
    assert len(shown) == 200
    assert shown[0].split()[:2] == ["tenant-199", "$199.00"]


def test_a_rate_is_what_an_amount_grew_by_in_the_last_minute() -> None:
    clock = count(0, 10)
    rates = Rates(lambda: float(next(clock)))
    grown = [rates.seen("acme", nanos) for nanos in (0, 10, 20, 30, 40, 50, 60, 60, 60, 60, 60, 60, 60)]
    assert grown[:2] == [None, 3_600]
    assert grown[6] == 3_600
    assert grown[-1] == 0
    assert rates.seen("acme", 5) is None, "a new day begins anew"
