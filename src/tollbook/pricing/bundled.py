"""The price book of the data that the installed genai-prices brings along."""

from genai_prices import __version__
from genai_prices.data import providers

from tollbook.pricing.book import PriceBook, compile_book
from tollbook.pricing.own import Overrides
from tollbook.pricing.quote import Ceiling


def bundled_book(*, unpriced: Ceiling | None = None, own: Overrides | None = None) -> PriceBook:
    """Compile the bundled data, some 2,300 models, and what is our own: a good second, so once a process.

    >>> bundled_book().version.startswith("genai-prices 0.2")
    True
    """
    return compile_book(providers, unpriced=unpriced, version=f"genai-prices {__version__}", own=own)
