"""Price data kept as bytes makes the same book again."""

import zlib

import pytest
from genai_prices.data import providers

from tollbook.domain.errors import ConfigError
from tollbook.pricing.book import PriceBook, compile_book
from tollbook.pricing.snapshot import packed, unpacked


def test_the_whole_data_comes_back_under_the_same_digest(book: PriceBook) -> None:
    kept = packed(providers)
    assert len(kept) < 400_000
    assert compile_book(unpacked(kept)).digest == book.digest


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"no zlib",
        zlib.compress(b"{"),
        zlib.compress(b'{"layout": 2}'),
        zlib.compress(b'{"layout": 1}'),
        zlib.compress(
            b'{"layout": 1, "providers": [{"id": "a", "match": ["nose", 1], "lenders": null, "models": []}]}'
        ),
    ],
)
def test_what_is_no_such_data_is_refused(kept: bytes) -> None:
    with pytest.raises(ConfigError):
        unpacked(kept)
