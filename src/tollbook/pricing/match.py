"""Which model of the price data a reported name means. A name that means none is unknown, never guessed."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple, TypeAlias

from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    MatchLogic,
    ModelInfo,
    Provider,
)

from tollbook.domain.errors import ConfigError

PROVIDER_ALIASES: Mapping[str, str] = {
    "amazon": "aws",
    "amazon-bedrock": "aws",
    "aws-bedrock": "aws",
    "bedrock": "aws",
    "bedrock-converse": "aws",
    "anthropic-claude": "anthropic",
    "claude": "anthropic",
    "azure-ai": "azure",
    "azure-ai-inference": "azure",
    "azure-ai-openai": "azure",
    "azure-openai": "azure",
    "az-ai-inference": "azure",
    "az-ai-openai": "azure",
    "cohere-chat": "cohere",
    "copilot": "github-copilot",
    "deep-seek": "deepseek",
    "eleven-labs": "elevenlabs",
    "fireworks-ai": "fireworks",
    "gcp-gemini": "google",
    "gcp-gen-ai": "google",
    "gcp-vertex-ai": "google",
    "gemini": "google",
    "google-ai-studio": "google",
    "google-gemini": "google",
    "google-genai": "google",
    "google-generative-ai": "google",
    "google-gla": "google",
    "google-vertex": "google",
    "google-vertexai": "google",
    "vertex": "google",
    "vertex-ai": "google",
    "vertexai": "google",
    "groqcloud": "groq",
    "mini-max": "minimax",
    "mistral-ai": "mistral",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "moonshot-ai": "moonshotai",
    "novita-ai": "novita",
    "open-ai": "openai",
    "open-router": "openrouter",
    "perplexity-ai": "perplexity",
    "together-ai": "together",
    "togetherai": "together",
    "voyage": "voyageai",
    "voyage-ai": "voyageai",
    "workers-ai": "cloudflare",
    "xai": "x-ai",
    "z-ai": "zai",
    "zhipu": "zhipuai",
    "zhipu-ai": "zhipuai",
}
"""Names that OpenTelemetry, LiteLLM, LangChain, the AI SDK and Pydantic AI write -> ids of the price data.

Keys are lower-case with every `.`, `_` and space as `-`. genai-prices' own matching is not used: it looks for
parts of names, and so takes `azure.ai.openai` and `openai-compatible` for OpenAI.
"""

GATEWAYS = frozenset({"litellm"})
"""Not a seller: the model's name carries the provider, as `provider/model`."""

STANDARD_TIERS = frozenset({"", "default", "standard", "auto", "on_demand", "unspecified"})
"""Service tiers that mean the list price."""

TIER_KEYS = ("service_tier", "processing", "speed")
"""Context keys of the price data that one reported service tier may stand for."""

STANDARD_CONTEXT: Mapping[str, frozenset[str]] = {
    "inference_geo": frozenset({"", "global", "not_available", "unspecified"}),
    "speed": frozenset({"", "standard", "default"}),
    "processing": frozenset({"", "default", "standard", "sync", "online"}),
}
"""Values of other context keys that mean the list price."""

TIER_ALIASES: Mapping[str, str] = {
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
    "batches": "batch",
}
"""Gemini's traffic types, and a plural, as the price data names them."""

NAME_CHARS_MAX = 256
"""Longer names are unknown without a look: the limit of the intake, so that a look-up's cost is bounded."""

_COMPACT_DATE = re.compile(r"-(20\d{2})(\d{2})(\d{2})(?=-|:|$)")

Predicate: TypeAlias = Callable[[str], bool]


class Match(NamedTuple):
    """A model by the provider that lists it. `borrowed`: the asked provider sells it by that one's list."""

    provider: str
    position: int
    borrowed: bool


def tier_of(service_tier: str | None) -> str | None:
    """The service tier as the price data names it, or None for one that means the list price."""
    if service_tier is None:
        return None
    tier = service_tier.strip().lower()
    return None if tier in STANDARD_TIERS else TIER_ALIASES.get(tier, tier)


def is_standard(key: str, value: str) -> bool:
    """Whether a pair of a price's context means the list price; keys and values in lower case."""
    return value in STANDARD_CONTEXT.get(key, STANDARD_TIERS)


class Matcher:
    """Finds models as genai-prices does, the first match in its order winning, but from an index.

    Its own search takes up to a millisecond for an unknown name, which a sender could make us spend at will.
    """

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._lists = {provider.id: _ModelList(provider.models) for provider in providers}
        self._lenders = {provider.id: tuple(provider.fallback_model_providers or ()) for provider in providers}
        self._bare = tuple(
            (provider.id, _predicate(provider.model_match))
            for provider in providers
            if provider.model_match is not None
        )

    def provider_id(self, name: str) -> str | None:
        """The provider of the price data that a reported name means, or None.

        What stands before a first dot counts where the whole is unknown: `openai.responses` is OpenAI.
        """
        lowered = name.strip().lower()
        for form in (lowered, lowered.partition(".")[0]):
            plain = form.replace("_", "-").replace(".", "-").replace(" ", "-")
            for candidate in (form, PROVIDER_ALIASES.get(plain, plain)):
                if candidate in self._lists:
                    return candidate
        return None

    def find(self, provider: str | None, model: str) -> Match | None:
        """The model that a reported pair of names means, or None.

        Without a provider (or with a gateway's) `provider/model` is read first, then the bare name as
        genai-prices resolves it. With one, its own prefix before the model is allowed.
        """
        if len(model) > NAME_CHARS_MAX or (provider is not None and len(provider) > NAME_CHARS_MAX):
            return None
        name = model.strip().lower().removeprefix("models/")
        head, slash, rest = name.partition("/")
        named = self.provider_id(head) if slash else None
        if provider is None or provider.strip().lower() in GATEWAYS | {""}:
            found = self._find_in(named, rest) if named else None
            return found or self._find_bare(name)
        asked = self.provider_id(provider)
        if asked is None:
            return None
        return self._find_in(asked, name) or (self._find_in(asked, rest) if named == asked else None)

    def _find_bare(self, name: str) -> Match | None:
        for provider_id, takes in self._bare:
            if takes(name):
                return self._find_in(provider_id, name)
        return None

    def _find_in(self, provider_id: str, name: str) -> Match | None:
        found = self._find_exactly(provider_id, name)
        if found is None:
            dashed = _COMPACT_DATE.sub(_dashed_date, name)
            found = self._find_exactly(provider_id, dashed) if dashed != name else None
        return found

    def _find_exactly(self, provider_id: str, name: str) -> Match | None:
        position = self._lists[provider_id].first(name)
        if position is not None:
            return Match(provider_id, position, borrowed=False)
        for lender in self._lenders[provider_id]:
            position = self._lists[lender].first(name) if lender in self._lists else None
            if position is not None:
                return Match(lender, position, borrowed=True)
        return None


class _ModelList:
    """One provider's models: names that must be equal in a dict, everything else in the data's order."""

    def __init__(self, models: Sequence[ModelInfo]) -> None:
        self._exact: dict[str, int] = {}
        self._patterns: list[tuple[int, Predicate]] = []
        for position, model in enumerate(models):
            for clause in _alternatives(model.match):
                if isinstance(clause, ClauseEquals):
                    self._exact.setdefault(clause.equals.lower(), position)
                else:
                    self._patterns.append((position, _predicate(clause)))

    def first(self, name: str) -> int | None:
        """The position of the first model that a lower-case name matches."""
        exact = self._exact.get(name)
        for position, takes in self._patterns:
            if exact is not None and position >= exact:
                break
            if takes(name):
                return position
        return exact


def _alternatives(clause: MatchLogic) -> list[MatchLogic]:
    if isinstance(clause, ClauseOr):
        return [atom for part in clause.or_ for atom in _alternatives(part)]
    return [clause]


def _predicate(clause: MatchLogic) -> Predicate:
    """A clause over lower-case text. Raises `ConfigError` for an unknown kind of clause."""
    match clause:
        case ClauseEquals(equals=text):
            return text.lower().__eq__
        case ClauseStartsWith(starts_with=text):
            prefix = text.lower()
            return lambda name: name.startswith(prefix)
        case ClauseEndsWith(ends_with=text):
            suffix = text.lower()
            return lambda name: name.endswith(suffix)
        case ClauseContains(contains=text):
            part = text.lower()
            return lambda name: part in name
        case ClauseRegex(regex=text):
            pattern = re.compile(text)
            return lambda name: pattern.search(name) is not None
        case ClauseOr(or_=clauses):
            some = [_predicate(part) for part in clauses]
            return lambda name: any(takes(name) for takes in some)
        case ClauseAnd(and_=clauses):
            every = [_predicate(part) for part in clauses]
            return lambda name: all(takes(name) for takes in every)
        case _:
            raise ConfigError(f"the price data matches names in an unknown way: {clause!r}")


def _dashed_date(compact: re.Match[str]) -> str:
    try:
        return f"-{date(*(int(part) for part in compact.groups()))}"
    except ValueError:
        return compact.group(0)
