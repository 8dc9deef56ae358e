"""Prices of our own beside the data's: `prices.toml`, and what is known of list prices that the data cannot say."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase, translate
from typing import Annotated, Any, TypeAlias

import msgspec
from genai_prices.types import ClauseEquals, ClauseOr, ClauseRegex, MatchLogic, ModelInfo, ModelPrice, Provider

from tollbook.domain.errors import ConfigError
from tollbook.pricing.cards import UnitPrice
from tollbook.pricing.quote import UNIT_CEILINGS, Ceiling
from tollbook.pricing.units import Units

Context: TypeAlias = frozenset[tuple[str, str]]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_HUNDRED = Decimal(100)


class Between(msgspec.Struct, frozen=True):
    """A span of time, its end not in it; None is open."""

    start: datetime | None = None
    end: datetime | None = None


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """`from` and `until` are days (00:00 UTC) or moments with an offset."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def between(self) -> Between:
        """The span of time."""
        return Between(self.since, self.until)


class Tiered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price by length of the prompt: `base`, and dollars `over` so many input tokens."""

    base: Decimal
    over: dict[str, Decimal]


class PriceEntry(_Entry, frozen=True, kw_only=True):
    """A correction of prices of models that exist; `model` may hold `*`. With `when` it holds in that context alone."""

    provider: Name
    model: Name
    usd: dict[str, Decimal | Tiered]
    when: dict[str, str] = {}


class ModelEntry(PriceEntry, frozen=True, kw_only=True):
    """A model that the data lacks, such as one's own. `names` are further names it is reported by; `*` stands for any
    text in them."""

    names: list[Name] = []


class DiscountEntry(_Entry, frozen=True, kw_only=True):
    """A share off what is listed. The most specific one in force counts, alone."""

    name: Name
    percent: Decimal
    tenant: Name | None = None
    provider: Name | None = None
    model: Name | None = None
    units: list[str] = []


class UpliftEntry(_Entry, frozen=True, kw_only=True):
    """A share on top of what is listed, in one context."""

    name: Name
    percent: Decimal
    when: dict[str, str]
    provider: Name
    model: Name = "*"
    units: list[str] = []


class Overrides(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a `prices.toml` holds."""

    model: list[ModelEntry] = []
    price: list[PriceEntry] = []
    discount: list[DiscountEntry] = []
    uplift: list[UpliftEntry] = []
    ceiling: dict[str, Decimal] = {}


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """An uplift or a discount as compiled: listed prices are multiplied by `by`. No units: all of them."""

    name: str
    by: Decimal
    when: Context
    between: Between
    units: frozenset[str]


class OwnPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A price of our own as compiled."""

    when: Context
    between: Between
    prices: tuple[UnitPrice, ...]


class OwnTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is our own of one model. Of `discounts` the first that is in force counts."""

    prices: tuple[OwnPrice, ...] = ()
    uplifts: tuple[Factor, ...] = ()
    discounts: tuple[Factor, ...] = ()


LISTED_UPLIFTS = (
    UpliftEntry(
        name="anthropic-us",
        percent=Decimal(10),
        when={"inference_geo": "us"},
        provider="anthropic",
        units=["tokens"],
    ),
)
"""List prices that the data cannot say. Inference in the US alone costs 1.1 times at Anthropic, for all tokens of Opus
4.6, Sonnet 4.6 and later models (platform.claude.com, "Data residency"); earlier ones refuse to be told where."""

_WITHOUT_GEO = (
    "claude-2*",
    "claude-3*",
    "claude-v1*",
    "claude-*-4-0",
    "claude-*-4-1",
    "claude-*-4-5",
)


def read_overrides(text: str) -> Overrides:
    """The entries of a `prices.toml`. Raises `ConfigError` that says where it is wrong.

    >>> read_overrides('[[discount]]\\nname = "all"\\npercent = 5').discount[0].percent
    Decimal('5')
    """
    try:
        found = msgspec.convert(_with_instants(tomllib.loads(text, parse_float=Decimal)), Overrides)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"prices.toml: {error}") from error
    for entry in (*found.model, *found.price, *found.discount, *found.uplift):
        span = entry.between
        if span.start is not None and span.end is not None and span.start >= span.end:
            raise ConfigError(f"prices.toml: an entry ends before it begins: {span.start} to {span.end}")
    for discount in found.discount:
        if not 0 <= discount.percent <= _HUNDRED:
            raise ConfigError(f"prices.toml: discount {discount.name}: percent is from 0 to 100")
    for uplift in found.uplift:
        if not uplift.percent.is_finite() or uplift.percent < 0 or not uplift.when:
            raise ConfigError(f"prices.toml: uplift {uplift.name}: percent is zero or more, and `when` says where")
    return found


def ceiling_of(overrides: Overrides, ceiling: Ceiling, units: Units) -> Ceiling:
    """The ceiling with what `[ceiling]` says of units."""
    for unit, usd in overrides.ceiling.items():
        if units.is_token(units.named(unit).usage_key):
            raise ConfigError(f"prices.toml: [ceiling] {unit}: tokens have the settings TOLLBOOK_UNPRICED_*")
        _checked(usd, unit)
    return msgspec.structs.replace(ceiling, units={**UNIT_CEILINGS, **ceiling.units, **overrides.ceiling})


def with_models(providers: Sequence[Provider], overrides: Overrides) -> list[Provider]:
    """The providers of the data with the models of `[[model]]`, which are looked at first."""
    own: dict[str, dict[str, ModelInfo]] = {}
    for entry in overrides.model:
        if "*" in entry.model:
            raise ConfigError(f"prices.toml: a [[model]] is one model: {entry.model} holds `*`; use `names`")
        clauses: list[MatchLogic] = [_clause(name) for name in (entry.model, *entry.names)]
        listed = own.setdefault(entry.provider, {})
        known = listed.get(entry.model)
        if known is not None:
            clauses = [known.match, *clauses]
        listed[entry.model] = ModelInfo(id=entry.model, match=ClauseOr(or_=clauses), prices=ModelPrice())
    extended = []
    for provider in providers:
        models = own.pop(provider.id, None)
        if models is None:
            extended.append(provider)
            continue
        clauses = [model.match for model in models.values()]
        if provider.model_match is not None:
            clauses.append(provider.model_match)
        ids = {model.id for model in provider.models} & models.keys()
        if ids:
            raise ConfigError(f"prices.toml: {provider.id} lists {min(ids)} already: correct it by [[price]]")
        extended.append(_replaced(provider, [*models.values(), *provider.models], ClauseOr(or_=clauses)))
    added = [
        Provider(
            id=provider_id,
            name=provider_id,
            api_pattern="(?!)",
            model_match=ClauseOr(or_=[model.match for model in models.values()]),
            models=list(models.values()),
        )
        for provider_id, models in own.items()
    ]
    return [*added, *extended]


def _replaced(provider: Provider, models: list[ModelInfo], match: MatchLogic) -> Provider:
    return Provider(
        id=provider.id,
        name=provider.name,
        api_pattern=provider.api_pattern,
        model_match=match,
        models=models,
        fallback_model_providers=provider.fallback_model_providers,
    )


class OwnBook:
    """The entries compiled, and asked for what concerns one model."""

    def __init__(self, overrides: Overrides, units: Units) -> None:
        self._prices = [
            (entry.provider, entry.model, OwnPrice(
                when=_context(entry.when), between=entry.between, prices=_unit_prices(entry.usd, units)
            ))
            for entry in [*overrides.model, *overrides.price]
        ]  # fmt: skip
        self._uplifts = [
            (entry.provider, entry.model, _factor(entry.name, 1 + entry.percent / _HUNDRED, entry, units))
            for entry in (*overrides.uplift, *LISTED_UPLIFTS)
        ]
        self._discounts = sorted(overrides.discount, key=_specificity, reverse=True)
        self._factors = [_factor(entry.name, 1 - entry.percent / _HUNDRED, entry, units) for entry in self._discounts]
        self._corrected = {(entry.provider, entry.model) for entry in overrides.price}

    def check_all_used(self, models: Mapping[str, Sequence[str]]) -> None:
        """Raise `ConfigError` where an entry names a provider or a model that nobody lists."""
        named = [("price", provider, model) for provider, model in sorted(self._corrected)]
        named += [("uplift", provider, model) for provider, model, _ in self._uplifts[: -len(LISTED_UPLIFTS)]]
        named += [("discount", entry.provider, entry.model or "*") for entry in self._discounts if entry.provider]
        for kind, provider, model in named:
            if provider not in models:
                raise ConfigError(f"prices.toml: [[{kind}]] names the provider {provider}, which nobody lists")
            if not any(fnmatchcase(known, model) for known in models[provider]):
                raise ConfigError(f"prices.toml: [[{kind}]] {provider} has no model {model}")

    def tenants(self) -> list[str]:
        """Every tenant that has a discount of its own."""
        return sorted({entry.tenant for entry in self._discounts if entry.tenant is not None})

    def terms(self, provider: str, model: str, tenant: str | None = None) -> OwnTerms:
        """What is our own of one model for one tenant; None: for those without a discount of their own."""
        prices = tuple(price for of, pattern, price in self._prices if of == provider and fnmatchcase(model, pattern))
        uplifts = tuple(
            factor
            for of, pattern, factor in self._uplifts
            if of == provider and fnmatchcase(model, pattern) and not _is_without(factor, model)
        )
        discounts = tuple(
            factor
            for entry, factor in zip(self._discounts, self._factors, strict=True)
            if entry.tenant in {None, tenant}
            and entry.provider in {None, provider}
            and fnmatchcase(model, entry.model or "*")
        )
        # The last written price wins; one for a context of its own goes before one for all.
        ordered = tuple(sorted(prices, key=lambda price: len(price.when)))[::-1]
        return OwnTerms(prices=ordered, uplifts=uplifts, discounts=discounts)


def _is_without(factor: Factor, model: str) -> bool:
    return factor.name == LISTED_UPLIFTS[0].name and any(fnmatchcase(model, old) for old in _WITHOUT_GEO)


def _specificity(entry: DiscountEntry) -> tuple[bool, bool, bool]:
    return entry.tenant is not None, entry.model is not None, entry.provider is not None


def _factor(name: str, by: Decimal, entry: DiscountEntry | UpliftEntry, units: Units) -> Factor:
    named: set[str] = set()
    for unit in entry.units:
        if unit == "tokens":
            named |= {known for known in units.names if units.is_token(known)}
        else:
            named.add(units.named(unit).usage_key)
    when = _context(entry.when) if isinstance(entry, UpliftEntry) else frozenset()
    return Factor(name=name, by=by, when=when, between=entry.between, units=frozenset(named))


def _unit_prices(usd: Mapping[str, Decimal | Tiered], units: Units) -> tuple[UnitPrice, ...]:
    prices = []
    for name in sorted(usd):
        unit, price = units.named(name), usd[name]
        if isinstance(price, Tiered):
            tiers = tuple(sorted((_threshold(start), _checked(dear, name)) for start, dear in price.over.items()))
            prices.append(UnitPrice(unit=name, per=unit.per, usd=_checked(price.base, name), tiers=tiers))
        else:
            prices.append(UnitPrice(unit=name, per=unit.per, usd=_checked(price, name)))
    return tuple(prices)


def _threshold(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ConfigError(f"prices.toml: `over` is by whole numbers of input tokens, not {text!r}")
    return int(text)


def _checked(usd: Decimal, unit: str) -> Decimal:
    if not usd.is_finite() or usd < 0:
        raise ConfigError(f"prices.toml: {unit} has a price that is no amount of dollars: {usd}")
    return usd


def _clause(name: str) -> MatchLogic:
    lowered = name.lower()
    return ClauseRegex(regex=translate(lowered)) if "*" in lowered else ClauseEquals(equals=lowered)


def _context(when: Mapping[str, str]) -> Context:
    return frozenset((key.strip().lower(), value.strip().lower()) for key, value in when.items())


def _with_instants(read: dict[str, Any]) -> dict[str, Any]:
    """What was read, with every day and every moment of an entry as one in UTC."""
    for entries in read.values():
        for entry in entries if isinstance(entries, list) else ():
            for key in ("from", "until"):
                if isinstance(entry, dict) and isinstance(entry.get(key), date):
                    entry[key] = _instant(entry[key])
    return read


def _instant(moment: date) -> datetime:
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.tzinfo is None:
        raise ConfigError(f"prices.toml: {moment} has no offset: end it with Z, or give a day alone")
    return moment.astimezone(UTC)
