"""Why a provider's figure and the ledger's are not the same: likely causes, each with what in the two speaks for it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import msgspec

from tollbook.domain.money import usd_text
from tollbook.ports.reconcile import Booked, Item

_LAG = timedelta(days=1)
"""Providers say that a day's figures come in until some hours behind its end."""


_COUNTS = ("calls", "input", "cache_read", "cache_write", "output")


class CauseCode(StrEnum):
    """What a drift may come from. Stable: scripts branch on it."""

    MISSING_EVENTS = "missing_events"
    SURPLUS_EVENTS = "surplus_events"
    NOT_IN_REPORT = "not_in_report"
    UNPRICED = "unpriced"
    TIER_UNREPORTED = "tier_unreported"
    CACHE_WRITES = "cache_writes"
    CACHED_INPUT = "cached_input"
    TOKENS_DIFFER = "tokens_differ"
    PRICE_DIFFERS = "price_differs"
    OWN_DISCOUNT = "own_discount"
    TIME_ZONE = "time_zone"
    ROUNDING = "rounding"
    AGGREGATES = "aggregates"
    ESTIMATED = "estimated"
    NO_MODEL = "no_model"
    DAY_INCOMPLETE = "day_incomplete"
    UNKNOWN = "unknown"


class Cause(NamedTuple):
    """A likely cause, and the figures that speak for it, in a sentence."""

    code: CauseCode
    evidence: str


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a line. Counts are None where a report does not tell them; `tiers` are calls (else tokens) by tier.

    `known` is False until something has been added to a provider's side.
    """

    known: bool = True
    items: int = 0
    cost_nanos: int = 0
    calls: int | None = None
    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    unpriced_nanos: int = 0
    estimated_nanos: int = 0
    aggregate_nanos: int = 0
    discounted_nanos: int = 0
    tiers: Mapping[str, int] = {}

    def with_item(self, item: Item) -> "Side":
        """With a line of the provider's report."""
        amount = item.calls if item.calls is not None else (item.input or 0) + (item.output or 0)
        return msgspec.structs.replace(
            self,
            known=True,
            items=self.items + (item.cost_nanos is not None),
            cost_nanos=self.cost_nanos + (item.cost_nanos or 0),
            calls=_plus(self.calls, item.calls),
            input=_plus(self.input, item.input),
            cache_read=_plus(self.cache_read, item.cache_read),
            cache_write=_plus(self.cache_write, item.cache_write),
            output=_plus(self.output, item.output),
            tiers=_with(self.tiers, item.tier, amount),
        )

    def with_booked(self, row: Booked) -> "Side":
        """With what the ledger has of one service tier."""
        return msgspec.structs.replace(
            self,
            items=self.items + 1,
            cost_nanos=self.cost_nanos + row.cost_nanos,
            calls=_plus(self.calls, row.calls),
            input=_plus(self.input, row.input),
            cache_read=_plus(self.cache_read, row.cache_read),
            cache_write=_plus(self.cache_write, row.cache_write),
            output=_plus(self.output, row.output),
            unpriced_nanos=self.unpriced_nanos + row.unpriced_nanos,
            estimated_nanos=self.estimated_nanos + row.estimated_nanos,
            aggregate_nanos=self.aggregate_nanos + row.aggregate_nanos,
            discounted_nanos=self.discounted_nanos + row.discounted_nanos,
            tiers=_with(self.tiers, row.tier, row.calls),
        )


def causes_of(
    key: tuple[date, str | None], theirs: Side, ours: Side, beside: Sequence[int], step_nanos: int, *, today: date
) -> list[Cause]:
    """The likely causes of a line's drift, what explains most first. `beside` are the drifts of the days next to it."""
    day, model = key
    if model is None:
        return [Cause(CauseCode.NO_MODEL, "the report names no model for this charge; the ledger has none without one")]
    drift = ours.cost_nanos - theirs.cost_nanos
    found = [
        *_events(theirs, ours),
        *_price_unknown(ours),
        *_tiers(theirs, ours),
        *_tokens(theirs, ours),
        *_price(theirs, ours),
        *_neighbours(drift, beside),
        *_rounding(drift, theirs, step_nanos),
        *_quality(ours),
    ]
    if day >= today - _LAG:
        found.append(Cause(CauseCode.DAY_INCOMPLETE, "providers' figures of the last day and of today still come in"))
    return found or [Cause(CauseCode.UNKNOWN, "nothing that the report or the ledger tells explains it")]


def _events(theirs: Side, ours: Side) -> Iterator[Cause]:
    if not ours.items:
        calls = "" if theirs.calls is None else f" of its {theirs.calls:,} requests"
        yield Cause(CauseCode.MISSING_EVENTS, f"the ledger has none{calls}: senders do not report this model here")
    elif not theirs.items and theirs.calls is None and theirs.input is None:
        yield Cause(
            CauseCode.NOT_IN_REPORT,
            f"the report has nothing, the ledger {ours.calls or 0:,} calls: another organization, or another name",
        )
    elif theirs.calls is not None and ours.calls is not None and theirs.calls != ours.calls:
        code = CauseCode.MISSING_EVENTS if ours.calls < theirs.calls else CauseCode.SURPLUS_EVENTS
        word = "fewer" if ours.calls < theirs.calls else "more"
        gap = abs(theirs.calls - ours.calls)
        yield Cause(code, f"the provider counts {theirs.calls:,} requests, the ledger {ours.calls:,}: {gap:,} {word}")


def _price_unknown(ours: Side) -> Iterator[Cause]:
    if ours.unpriced_nanos:
        yield Cause(
            CauseCode.UNPRICED,
            f"{usd_text(ours.unpriced_nanos)} USD is taken at the ceiling: give the model a price, and re-price it",
        )


def _tiers(theirs: Side, ours: Side) -> Iterator[Cause]:
    for tier, amount in sorted(theirs.tiers.items()):
        if amount and not ours.tiers.get(tier):
            yield Cause(
                CauseCode.TIER_UNREPORTED,
                f"the provider has usage at the tier {tier!r}, the ledger no call: senders leave `service_tier` out",
            )
    # A report of costs alone says nothing of tiers.
    told = theirs.calls is not None or theirs.input is not None
    for tier, calls in sorted(ours.tiers.items()):
        if calls and told and not theirs.tiers.get(tier):
            yield Cause(
                CauseCode.TIER_UNREPORTED, f"the ledger has {calls:,} calls at the tier {tier!r}, the report none"
            )


def _tokens(theirs: Side, ours: Side) -> Iterator[Cause]:
    for code, name, wrote, booked in (
        (CauseCode.CACHE_WRITES, "tokens written to caches", theirs.cache_write, ours.cache_write),
        (CauseCode.CACHED_INPUT, "tokens read from caches", theirs.cache_read, ours.cache_read),
        (CauseCode.TOKENS_DIFFER, "input tokens", theirs.input, ours.input),
        (CauseCode.TOKENS_DIFFER, "output tokens", theirs.output, ours.output),
    ):
        if wrote is not None and booked is not None and wrote != booked:
            yield Cause(code, f"the provider counts {wrote:,} {name}, the ledger {booked:,}")


def _price(theirs: Side, ours: Side) -> Iterator[Cause]:
    told = theirs.input is not None and theirs.output is not None
    counts = ((getattr(theirs, name), getattr(ours, name)) for name in _COUNTS)
    alike = all(wrote is None or wrote == booked for wrote, booked in counts)
    if (
        told
        and alike
        and theirs.tiers.keys() == ours.tiers.keys()
        and ours.cost_nanos
        and theirs.cost_nanos
        and not ours.unpriced_nanos
    ):
        change = (Decimal(theirs.cost_nanos) / Decimal(ours.cost_nanos) - 1) * 100
        word = "less" if change < 0 else "more"
        yield Cause(
            CauseCode.PRICE_DIFFERS,
            f"with equal tokens the provider charges {abs(change):.2f} % {word}: a discount, or another price",
        )
    if ours.discounted_nanos:
        yield Cause(
            CauseCode.OWN_DISCOUNT, f"{usd_text(ours.discounted_nanos)} USD is priced with a discount of prices.toml"
        )


def _neighbours(drift: int, beside: Sequence[int]) -> Iterator[Cause]:
    for next_to in beside:
        if drift and next_to and abs(drift + next_to) * 10 <= abs(drift):
            yield Cause(
                CauseCode.TIME_ZONE,
                f"the day beside drifts by {usd_text(next_to)} USD the other way: calls crossed midnight UTC",
            )
            return


def _rounding(drift: int, theirs: Side, step_nanos: int) -> Iterator[Cause]:
    if theirs.items and abs(drift) * 2 <= step_nanos * theirs.items and step_nanos > 1:
        yield Cause(CauseCode.ROUNDING, f"the report rounds each of {theirs.items} items to {usd_text(step_nanos)} USD")


def _quality(ours: Side) -> Iterator[Cause]:
    if ours.aggregate_nanos:
        yield Cause(
            CauseCode.AGGREGATES,
            f"{usd_text(ours.aggregate_nanos)} USD was seen as sums, not call by call: they may repeat calls",
        )
    if ours.estimated_nanos:
        yield Cause(CauseCode.ESTIMATED, f"{usd_text(ours.estimated_nanos)} USD rests on estimated counts")


def _plus(known: int | None, more: int | None) -> int | None:
    return known if more is None else (known or 0) + more


def _with(tiers: Mapping[str, int], tier: str | None, amount: int) -> Mapping[str, int]:
    name = (tier or "").lower()
    if name in {"", "default", "standard", "auto"}:
        return tiers
    return {**tiers, name: tiers.get(name, 0) + amount}
