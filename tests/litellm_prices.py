"""The price book beside the price file inside the litellm wheel: each price that differs, with the reason.

    python -m tests.litellm_prices > docs/prices-litellm.md

Only the JSON file of an installed litellm is read; nothing of it is imported. Compared are the list prices of those who
make the models; what clouds and resellers ask moves too fast for two files of different months to agree.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import msgspec

from tollbook.pricing.book import PriceBook
from tollbook.pricing.bundled import bundled_book
from tollbook.pricing.cards import decimal_text

AT = datetime(2026, 11, 5, 12, tzinfo=UTC)
PROVIDERS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "deepseek": "deepseek",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "openai": "openai",
    "perplexity": "perplexity",
    "text-completion-openai": "openai",
    "xai": "x-ai",
}
UNITS: Mapping[str, str] = {
    "input_cost_per_token": "input_tokens",
    "output_cost_per_token": "output_tokens",
    "cache_read_input_token_cost": "cache_read_tokens",
    "cache_creation_input_token_cost": "cache_write_tokens",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h_tokens",
    "input_cost_per_audio_token": "input_audio_tokens",
    "output_cost_per_audio_token": "output_audio_tokens",
}


class Difference(NamedTuple):
    """A price of LiteLLM's that is another one here, in dollars per million; `ours` is None where there is none."""

    provider: str
    name: str
    unit: str
    theirs: Decimal
    ours: Decimal | None
    model: str


class Reason(NamedTuple):
    """Why some prices differ, and what to do where the book is the one that is wrong."""

    title: str
    why: str
    names: str
    units: str = ".*"


REASONS = (
    Reason(
        "An output that is never billed",
        "LiteLLM writes a price of 0 for the output of models that have none; the book has no price of it.",
        r"embed",
        "output_tokens",
    ),
    Reason(
        "A cache write that is never billed",
        "DeepSeek bills none; LiteLLM writes 0, the book has no price of it.",
        r"deepseek/",
        "cache_write_tokens",
    ),
    Reason(
        "A wrong figure in LiteLLM's file",
        "Cache writes of an hour cost twice the input at Anthropic ($0.25 and $15): LiteLLM has Sonnet's $6 for both. "
        "command-r7b has input and output swapped. OpenAI lists gpt-4o-mini-tts at $0.60 and $12, Groq the cached "
        "input of gpt-oss-safeguard at half of $0.075, Google the output of gemini-1.5-flash at $0.30.",
        r"claude-3-(haiku|opus)|command-r7b|gpt-4o-mini-tts|gpt-oss-safeguard|gemini-1\.5-flash$",
    ),
    Reason(
        "An alias that the data has not moved on",
        "Mistral has pointed the name at a newer and cheaper model. A `[[price]]` entry corrects it.",
        r"mistral-large-latest$",
    ),
    Reason(
        "An alias that has moved on",
        "The name means whatever model its maker points it at. The book follows to a newer one than LiteLLM's file, "
        "which is half a year older.",
        r"-latest$|mistral-medium$",
    ),
    Reason(
        "A preview",
        "The data prices previews as the model that they became, or by a later list than LiteLLM. Where calls of the "
        "preview are still billed by its own list, a `[[model]]` of that exact name goes before the data's pattern.",
        r"gemini.*preview|native-audio|-beta-|-exp-",
    ),
    Reason(
        "A retired version",
        "Both files have a price that the model once had: the book the last one, LiteLLM the first. Only calls of "
        "before the retirement are concerned.",
        r"mistral-large-2407|open-mistral-nemo|gemma-7b-it",
    ),
    Reason(
        "DeepSeek's names of before V4",
        "The data keeps the prices by the hour of early 2025 for `deepseek-chat` and `deepseek-reasoner`, and another "
        "figure for `deepseek-v3.2`; LiteLLM has DeepSeek's list of late 2025. A `[[price]]` entry corrects them for "
        "whoever still has such calls.",
        r"deepseek-(chat|reasoner|v3\.2)$",
    ),
    Reason(
        "A unit that the data does not price",
        "The data lists these models without a price for cached or audio tokens, so that such tokens cost what all "
        "input or output does. For the audio of gpt-4o-audio-preview that is far too little: set "
        "`input_audio_tokens` and `output_audio_tokens` by `[[price]]`.",
        r"ft:gpt-4o|gemini-2\.0-flash-lite|gemini-2\.5-flash-image|gpt-5\.4-pro|gpt-4o-(mini-)?(audio|search)",
    ),
)
"""The first that fits counts. A difference that none fits fails the test: find out why before adding one."""


def price_file() -> Path | None:
    """The price file of the installed litellm; None where it is not installed."""
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "model_prices_and_context_window_backup.json"


class Compared(NamedTuple):
    """How many prices agree, which differ, and which names of the file mean no model, or none with a price, here."""

    equal: int
    differences: list[Difference]
    unknown: list[str]


def compare(file: Path, book: PriceBook) -> Compared:
    """Look up every model of the compared makers, and compare each price per token."""
    decoder = msgspec.json.Decoder(dict[str, dict[str, object]], float_hook=Decimal)
    equal, differences, unknown = 0, [], []
    for name, entry in sorted(decoder.decode(file.read_bytes()).items()):
        provider = PROVIDERS.get(str(entry.get("litellm_provider")))
        if provider is None:
            continue
        found = book.find(provider, _model_of(name), None, AT)
        if found is None or found.card is None:
            unknown.append(name)
            continue
        own = {price.unit: price.usd for price in found.card.prices}
        for key, unit in UNITS.items():
            if not isinstance(entry.get(key), Decimal | int):
                continue
            theirs = Decimal(str(entry[key])) * 1_000_000
            ours = own.get(unit)
            # Their file is written by floats: 0.39999999999999997 is 0.4.
            if ours is not None and abs(theirs - ours) <= Decimal("1e-9") * ours:
                equal += 1
            else:
                differences.append(Difference(provider, name, unit, theirs, ours, found.model))
    return Compared(equal, differences, unknown)


def reason_of(difference: Difference) -> Reason | None:
    """Why a price differs; None where nobody has found out yet."""
    for reason in REASONS:
        if re.search(reason.names, difference.name) and re.fullmatch(reason.units, difference.unit):
            return reason
    return None


def _model_of(name: str) -> str:
    head, slash, rest = name.partition("/")
    return rest if slash and head in PROVIDERS else name


def page(compared: Compared) -> Iterator[str]:
    """The documentation's page, line by line."""
    yield "# Prices beside LiteLLM's"
    yield ""
    yield f"The price book of genai-prices {version('genai-prices')} beside the price file inside litellm"
    yield f"{version('litellm')}, in dollars per million tokens, as of {AT:%Y-%m-%d}: {compared.equal} prices of the"
    yield f"makers of models agree, {len(compared.differences)} differ, each listed here with its reason."
    yield "`python -m tests.litellm_prices` writes this page; a test fails where a price differs without a reason."
    yield ""
    for reason in REASONS:
        rows = [difference for difference in compared.differences if reason_of(difference) is reason]
        if not rows:
            continue
        yield f"## {reason.title}"
        yield ""
        yield reason.why
        yield ""
        yield "| LiteLLM's name | unit | there | here | priced as |"
        yield "|---|---|---|---|---|"
        for row in rows:
            ours = "none" if row.ours is None else decimal_text(row.ours)
            yield f"| `{row.name}` | `{row.unit}` | {decimal_text(row.theirs)} | {ours} | `{row.model}` |"
        yield ""
    yield "## Names that mean no model here"
    yield ""
    yield f"{len(compared.unknown)} names: pictures by size and quality, which are LiteLLM's own keys (OpenAI bills"
    yield "tokens); pictures and films by the piece or second; fine-tuned names; retired models; moderation, which is"
    yield "free. Calls of such a name cost the ceiling's, flagged, until a `[[model]]` entry prices it."
    yield ""
    yield ", ".join(f"`{name}`" for name in compared.unknown)


def main() -> None:
    """Print the page."""
    file = price_file()
    if file is None:
        raise SystemExit("litellm is not installed: see requirements/integrations.txt")
    print("\n".join(page(compare(file, bundled_book()))))


if __name__ == "__main__":
    main()
