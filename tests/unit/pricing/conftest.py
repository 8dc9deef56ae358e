"""One compiled book for the whole room: compiling takes most of a second."""

import pytest

from tollbook.pricing.book import PriceBook
from tollbook.pricing.bundled import bundled_book


@pytest.fixture(scope="session")
def book() -> PriceBook:
    return bundled_book()
