"""What a quote costs, beside genai-prices' own calculator on the same call."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from timeit import repeat

import genai_prices

from bench.report import Figure, Options, Ratio, Result
from tollbook.domain.usage import Usage
from tollbook.pricing.bundled import bundled_book

NAME = "pricing"
AT = datetime(2026, 11, 5, 12, tzinfo=UTC)
USAGE = Usage(input=12_000, output=800, cache_read=9_000, cache_write_5m=500, cache_write_1h=100, reasoning=300)
KINDS = {
    "plain": ("anthropic", "claude-opus-4-7", None),
    "tiers": ("openai", "gpt-5.5", None),
    "dates and a service tier": ("openai", "gpt-5.6-sol", "priority"),
    "hours of the day": ("deepseek", "deepseek-v4-pro", None),
    "unknown model": (None, "no-such-model", None),
}
UNITS = {"web_searches": 2, "input_image_tokens": 1_000}
WHAT = (
    "CPU time of pricing one call, the best of many short runs: a shared machine only ever adds. Baseline: "
    "`genai_prices.calc_price` on the same call, whose data the price book is compiled from. The figures stand in "
    "`src/tollbook/pricing/README.md`."
)


def run(options: Options) -> Result:
    """Measure."""
    repeats = 10 if options.quick else 100
    began = perf_counter()
    book = bundled_book()
    compiled_s = perf_counter() - began
    quotes: dict[str, list[float]] = {kind: [] for kind in KINDS}
    theirs: list[float] = []
    beside: list[float] = []
    units = genai_prices.Usage(input_tokens=12_000, output_tokens=800, cache_read_tokens=9_000)
    calc = partial(
        genai_prices.calc_price, units, "claude-opus-4-7", provider_id="anthropic", genai_request_timestamp=AT
    )
    for _ in range(options.runs):
        for kind, (provider, model, tier) in KINDS.items():
            call = partial(book.quote, USAGE, provider=provider, model=model, at=AT, service_tier=tier)
            quotes[kind].append(best_us(call, number=5_000, repeats=repeats))
        rates = book.rates("anthropic", "claude-opus-4-7", None, AT)
        beside.append(best_us(partial(rates.cost_nanos, USAGE, UNITS), number=1_000, repeats=repeats))
        theirs.append(best_us(calc, number=50, repeats=repeats))
    found = {
        provider: best_us(partial(book._matcher.find, provider, "no-such-model"), number=100, repeats=repeats)
        for provider in ("openrouter", "azure", None)
    }
    figures = [Figure(name=f"quote, {kind}", unit="us", values=took) for kind, took in quotes.items()]
    figures += [
        Figure(name="cost with two units beside the six counts", unit="us", values=beside),
        Figure(name="genai-prices' calc_price, plain", unit="us", values=theirs),
        *(
            Figure(name=f"first look-up of an unknown model at {provider}", unit="us", values=[took])
            for provider, took in found.items()
        ),
        Figure(name="compiling the book", unit="s", values=[compiled_s]),
    ]
    faster = [b / a for a, b in zip(quotes["plain"], theirs, strict=True)]
    ratios = [Ratio(name="calc_price over quote, plain", values=faster)]
    notes = [f"{book.version}, {len(book)} rate cards, digest {book.digest}."]
    return Result(name=NAME, title="pricing one call", what=WHAT, figures=figures, ratios=ratios, notes=notes)


def best_us(call: Callable[[], object], *, number: int, repeats: int) -> float:
    """The fastest of many short runs, in microseconds a call."""
    return min(repeat(call, number=number, repeat=repeats)) / number * 1e6
