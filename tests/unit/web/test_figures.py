"""How figures are written and drawn: the examples beside the functions, and what holds for every amount."""

import doctest
from decimal import Decimal
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.alerting import pace
from tollbook.domain.money import usd_text
from tollbook.ledger import reading
from tollbook.views import facts, forecast, tenant, tree
from tollbook.web import answering, drawing, figures, naming
from tollbook.web.answering import Sheet, sheet_text

MODULES = (figures, drawing, naming, facts, forecast, tenant, tree, pace, reading, answering)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_examples_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


@given(st.integers(-(2**63), 2**63))
def test_money_to_look_at_is_near_the_exact_amount(nanos: int) -> None:
    shown = Decimal(figures.money(nanos).replace("$", "").replace(",", ""))
    exact = Decimal(usd_text(nanos))
    room = Decimal("0.005") if abs(exact) >= 1 else Decimal("0.0001") if abs(exact) >= Decimal("0.0001") else Decimal(0)
    assert abs(shown - exact) <= room
    assert (shown == 0) == (exact == 0)


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\t=1", "=HYPERLINK(1)", "-1;2"])
def test_no_cell_runs_as_a_formula(text: str) -> None:
    row = sheet_text(Sheet(("name", "usd"), [(text, "-0.000150000")])).splitlines()[1]
    assert row.lstrip('"').startswith("'")
    assert row.endswith(",-0.000150000")


@given(st.lists(st.integers(-5, 2**62), max_size=50))
def test_a_line_stays_in_its_box(values: list[int]) -> None:
    points = [tuple(map(float, point.split(","))) for point in drawing.spark_points(values).split()]
    assert len(points) == len(values)
    assert all(0 <= x <= drawing.WIDTH and 0 <= y <= drawing.HEIGHT for x, y in points)
