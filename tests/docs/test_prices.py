"""The page of prices says what the code does: every unit, and examples of prices.toml that compile."""

import re

import pytest
from genai_prices.data import providers

from tests.docs.tables import DOCS, table_under
from tollbook.pricing.book import compile_book
from tollbook.pricing.cards import decimal_text
from tollbook.pricing.own import read_overrides
from tollbook.pricing.quote import UNIT_CEILINGS, QuoteFlag
from tollbook.pricing.units import COUNTED_UNITS, Units

UNITS = Units()
TABLE = table_under("prices.md", "Units")
EXAMPLES = re.findall(
    r"^```toml\n(.*?)^```$", (DOCS / "prices.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


def test_every_unit_is_in_the_table() -> None:
    assert TABLE.keys() == UNITS.names


@pytest.mark.parametrize("unit", sorted(UNITS.names))
def test_a_unit_says_what_it_is_part_of_and_what_it_costs_at_most(unit: str) -> None:
    per, part_of, counted_by, ceiling = TABLE[unit]
    above = UNITS.above(unit)
    nearest = {one for one in above if not any(one in UNITS.above(other) for other in above)}
    assert int(per) == UNITS.named(unit).per
    assert set(re.findall(r"`(\w+)`", part_of)) == nearest
    assert tuple(re.findall(r"`(\w+)`", counted_by)) == COUNTED_UNITS.get(unit, ("units",))
    assert ceiling == (f"${decimal_text(UNIT_CEILINGS[unit])}" if unit in UNIT_CEILINGS else "-")


def test_every_flag_is_in_the_table() -> None:
    assert table_under("prices.md", "How a price is found").keys() == {
        flag.name.lower() for flag in QuoteFlag if flag.name
    }


def test_every_kind_of_entry_has_an_example() -> None:
    assert set(re.findall(r"^\[+(\w+)\]+$", "".join(EXAMPLES), re.MULTILINE)) == {
        "model",
        "price",
        "discount",
        "uplift",
        "ceiling",
    }


@pytest.mark.parametrize("example", [*EXAMPLES, "".join(EXAMPLES)])
def test_an_example_makes_a_book(example: str) -> None:
    some = [provider for provider in providers if provider.id in {"openai", "anthropic"}]
    book = compile_book(some, own=read_overrides(example))
    assert {row.origin for row in book.rows()} - {"data"}
