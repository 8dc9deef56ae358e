"""What a quote costs: `python bench/pricing.py`. The figures it defends stand in pricing/README.md."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from timeit import repeat

BEGAN = perf_counter()
import genai_prices  # noqa: E402 - the import itself is measured

from tollbook.domain.usage import Usage  # noqa: E402
from tollbook.pricing.bundled import bundled_book  # noqa: E402

AT = datetime(2026, 11, 5, 12, tzinfo=UTC)
USAGE = Usage(input=12_000, output=800, cache_read=9_000, cache_write_5m=500, cache_write_1h=100, reasoning=300)
KINDS = {
    "plain": ("anthropic", "claude-opus-4-7", None),
    "tiers": ("openai", "gpt-5.5", None),
    "dates and a service tier": ("openai", "gpt-5.6-sol", "priority"),
    "hours of the day": ("deepseek", "deepseek-v4-pro", None),
    "unknown model": (None, "no-such-model", None),
}


def best_us(call: Callable[[], object], *, number: int = 5_000) -> float:
    """The fastest of many short runs, in microseconds a call: a shared machine only ever adds."""
    return min(repeat(call, number=number, repeat=100)) / number * 1e6


def main() -> None:
    imported = perf_counter()
    book = bundled_book()
    compiled = perf_counter()
    print(f"{sys.version.split()[0]}, {book.version}, {len(book)} rate cards, digest {book.digest}")
    print(f"import {imported - BEGAN:.2f} s, compile {compiled - imported:.2f} s")
    for kind, (provider, model, tier) in KINDS.items():
        us = best_us(lambda p=provider, m=model, t=tier: book.quote(USAGE, provider=p, model=m, at=AT, service_tier=t))
        print(f"quote, {kind}: {us:.2f} us")
    units = genai_prices.Usage(input_tokens=12_000, output_tokens=800, cache_read_tokens=9_000)
    theirs = best_us(
        lambda: genai_prices.calc_price(units, "claude-opus-4-7", provider_id="anthropic", genai_request_timestamp=AT),
        number=50,
    )
    print(f"genai-prices' calc_price, plain: {theirs:.1f} us")
    for provider in ("openrouter", "azure", None):
        found = best_us(partial(book._matcher.find, provider, "no-such-model"), number=100)
        print(f"first look-up of an unknown model at {provider}: {found:.1f} us")


if __name__ == "__main__":
    main()
