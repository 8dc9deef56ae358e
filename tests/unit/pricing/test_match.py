"""Names: aliases of providers, forms of model names, and equality with genai-prices' own search."""

from datetime import UTC, datetime

import pytest
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import ClauseContains, ClauseEquals, ModelInfo, Provider

from tollbook.pricing.book import PriceBook
from tollbook.pricing.match import PROVIDER_ALIASES, Match, Matcher, tier_of

AT = datetime(2026, 11, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(providers)


def model_id(found: Match | None) -> tuple[str, str] | None:
    if found is None:
        return None
    provider = next(provider for provider in providers if provider.id == found.provider)
    return provider.id, provider.models[found.position].id


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x_ai", "x-ai"),
        ("xai", "x-ai"),
        ("x-ai", "x-ai"),
        ("gcp.gen_ai", "google"),
        ("gcp.gemini", "google"),
        ("gcp.vertex_ai", "google"),
        ("vertex_ai", "google"),
        ("gemini", "google"),
        ("google-gla", "google"),
        ("azure.ai.openai", "azure"),
        ("azure.ai.inference", "azure"),
        ("az.ai.openai", "azure"),
        ("aws.bedrock", "aws"),
        ("bedrock", "aws"),
        ("amazon-bedrock", "aws"),
        ("mistral_ai", "mistral"),
        ("moonshot_ai", "moonshotai"),
        ("together_ai", "together"),
        ("fireworks_ai", "fireworks"),
        ("github_copilot", "github-copilot"),
        ("huggingface_novita", "huggingface_novita"),
        ("OpenAI", "openai"),
        (" anthropic ", "anthropic"),
        ("openai.responses", "openai"),
        ("anthropic.messages", "anthropic"),
        ("openai-compatible", None),
        ("my-openai-proxy", None),
        ("acme", None),
        ("", None),
    ],
)
def test_provider_names_as_the_field_writes_them(matcher: Matcher, name: str, expected: str | None) -> None:
    assert matcher.provider_id(name) == expected


def test_every_alias_leads_to_a_provider_of_the_data(matcher: Matcher) -> None:
    for alias, provider_id in PROVIDER_ALIASES.items():
        assert matcher.provider_id(alias) == provider_id


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        (None, "gpt-4o", ("openai", "gpt-4o")),
        (None, "GPT-4o", ("openai", "gpt-4o")),
        (None, "gpt-5.6", ("openai", "gpt-5.6-sol")),
        (None, "openai/gpt-4o", ("openai", "gpt-4o")),
        ("", "openai/gpt-4o", ("openai", "gpt-4o")),
        ("litellm", "openai/gpt-4o", ("openai", "gpt-4o")),
        ("openai", "openai/gpt-4o", ("openai", "gpt-4o")),
        ("google", "models/gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        (None, "gemini/gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        (None, "xai/grok-4.7", ("x-ai", "grok-4.7")),
        (None, "openrouter/openai/gpt-4o", ("openrouter", "openai/gpt-4o")),
        ("openrouter", "openai/gpt-4o", ("openrouter", "openai/gpt-4o")),
        ("aws.bedrock", "global.anthropic.claude-opus-4-7", ("aws", "global.anthropic.claude-opus-4-7-v1:0")),
        ("openai", "gpt-4o-20240806", ("openai", "gpt-4o")),
        ("openai", "anthropic/claude-opus-4-7", None),
        ("anthropic", "claude-opus-6", None),
        ("acme", "gpt-4o", None),
        (None, "gpt-99", None),
        (None, "", None),
        (None, "gpt-4o" + "x" * 300, None),
    ],
)
def test_model_names_as_the_field_writes_them(
    matcher: Matcher, provider: str | None, model: str, expected: tuple[str, str] | None
) -> None:
    assert model_id(matcher.find(provider, model)) == expected


def spellings(provider: Provider) -> list[str]:
    """Each model's id in capitals, and with an ending that patterns may or may not take."""
    return [form for model in provider.models for form in (model.id.upper(), f"{model.id}-20260131")]


@pytest.mark.parametrize("provider", [pytest.param(provider, id=provider.id) for provider in providers])
def test_the_index_finds_what_genai_prices_finds(matcher: Matcher, provider: Provider) -> None:
    for name in spellings(provider):
        found = matcher.find(provider.id, name)
        expected = provider.find_model(name, all_providers=providers)
        if expected is None:
            # Its own prefix is ours to allow.
            assert found is None or name.lower().startswith(f"{provider.id}/"), name
        else:
            assert found is not None, name
            owner = next(owner for owner in providers if owner.id == found.provider)
            assert owner.models[found.position] is expected, name


def test_borrowed_lists_are_those_of_genai_prices(matcher: Matcher) -> None:
    """Azure sells OpenAI's and others' models, Google sells Anthropic's; nobody else's."""
    asked = {provider.id: provider for provider in providers}
    for seller in (asked["azure"], asked["google"]):
        for lender in ("openai", "anthropic", "deepseek", "x-ai", "moonshotai", "groq"):
            for model in asked[lender].models:
                found = matcher.find(seller.id, model.id)
                expected = seller.find_model(model.id, all_providers=providers)
                if found is None or expected is None:
                    assert found is expected, model.id
                else:
                    owner = asked[found.provider]
                    assert owner.models[found.position] is expected, model.id
                    assert found.borrowed == (owner is not seller)


def test_bare_names_resolve_as_genai_prices_resolves_them(matcher: Matcher) -> None:
    snapshot = DataSnapshot(providers=providers, from_auto_update=False)
    names = {model.id for provider in providers for model in provider.models if "/" not in model.id}
    for name in sorted(names):
        found = matcher.find(None, name)
        try:
            provider, model = snapshot.find_provider_model(name, None, None, None)
        except LookupError:
            assert found is None, name
        else:
            assert model_id(found) == (provider.id, model.id) or (found and found.borrowed), name


@pytest.mark.parametrize(
    ("reported", "tier"),
    [
        (None, None),
        ("auto", None),
        ("ON_DEMAND_FLEX", "flex"),
        ("Batch", "batch"),
        ("ultrafast", "ultrafast"),
    ],
)
def test_service_tiers_as_providers_write_them(reported: str | None, tier: str | None) -> None:
    assert tier_of(reported) == tier


def test_an_alias_prices_like_the_id(book: PriceBook) -> None:
    assert book.rates("x_ai", "grok-4.7", None, AT) == book.rates("x-ai", "grok-4.7", None, AT)


def test_the_first_model_in_the_data_wins_whether_it_matches_by_pattern_or_by_name() -> None:
    exact = ModelInfo(id="exact", match=ClauseEquals("acme-1"))
    pattern = ModelInfo(id="pattern", match=ClauseContains("acme"))
    for models, name, position in [
        ([exact, pattern], "acme-1", 0),
        ([pattern, exact], "acme-1", 0),
        ([exact, pattern], "acme-2", 1),
    ]:
        matcher = Matcher([Provider(id="acme", name="Acme", api_pattern="", models=models)])
        assert matcher.find("acme", name) == Match("acme", position, borrowed=False)
