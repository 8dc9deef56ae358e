"""The price book beside the price file inside the litellm wheel: no price differs without a known reason."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.litellm_prices import REASONS, Compared, compare, page, price_file, reason_of
from tollbook.pricing.bundled import bundled_book

FILE = price_file()
PAGE = Path(__file__).resolve().parents[4] / "docs" / "prices-litellm.md"

if FILE is None:
    pytest.skip("litellm is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def compared() -> Compared:
    assert FILE is not None
    return compare(FILE, bundled_book())


def test_most_prices_agree(compared: Compared) -> None:
    assert compared.equal > 600
    assert compared.equal > 5 * len(compared.differences)


def test_every_price_that_differs_has_a_reason(compared: Compared) -> None:
    assert [difference for difference in compared.differences if reason_of(difference) is None] == []


def test_every_reason_is_of_a_price_that_differs(compared: Compared) -> None:
    assert {reason_of(difference) for difference in compared.differences} == set(REASONS)


def test_the_page_lists_them_all(compared: Compared) -> None:
    text = PAGE.read_text(encoding="utf-8")
    made_of = re.search(r"genai-prices (\S+) beside .*litellm\n(\S+),", text)
    assert made_of is not None
    if made_of.groups() != (version("genai-prices"), version("litellm")):
        pytest.skip(f"the page was written for {made_of.groups()}")
    assert text == "\n".join(page(compared)) + "\n"
