"""How numbers and lines of a statement are laid out, alike in HTML and PDF."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tollbook.domain.money import NANOS_PER_USD, usd_text
from tollbook.ports.statements import Line
from tollbook.statements.rates import CEILING, RateCard, UnitRate
from tollbook.statements.statement import Statement, Sums, sums_of
from tollbook.statements.wire import kind_of

_MINUS = "\N{MINUS SIGN}"
_LABELS = {
    "input_tokens": "input",
    "cache_read_tokens": "cached",
    "cache_write_tokens": "cache write",
    "cache_write_5m_tokens": "cache write of 5 min",
    "cache_write_30m_tokens": "cache write of 30 min",
    "cache_write_1h_tokens": "cache write of 1 h",
    "output_tokens": "output",
    "reasoning_tokens": "reasoning",
}


class Amount(NamedTuple):
    """Dollars in two parts: `main` to the cent (cut, not rounded), and the digits behind it down to the nano-dollar."""

    main: str
    rest: str


class AgentBlock(NamedTuple):
    """An agent's lines, with their sums."""

    agent: str
    sums: Sums
    lines: Sequence[Line]


class CorrectionBlock(NamedTuple):
    """Corrections of one earlier period, by what they are."""

    period: str
    kind: str
    sums: Sums
    agents: Sequence[AgentBlock]


def amount_of(nanos: int) -> Amount:
    """The parts of an amount.

    >>> amount_of(1_234_567_890_123)
    Amount(main='1,234.56', rest='7890123')
    """
    whole, _, places = usd_text(abs(nanos)).partition(".")
    sign = _MINUS if nanos < 0 else ""
    return Amount(f"{sign}{int(whole):,}.{places[:2]}", places[2:])


def rounded_text(nanos: int) -> str:
    """Dollars to the cent, rounded half up as `daily_spend.cents` is.

    >>> rounded_text(1_005_000_000), rounded_text(-5_000_000)
    ('1.01', '0.00')
    """
    cents = (nanos + NANOS_PER_USD // 200) // (NANOS_PER_USD // 100)
    sign = _MINUS if cents < 0 else ""
    return f"{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def count_text(count: int) -> str:
    """A count with its thousands apart; nothing of nothing."""
    return "" if count == 0 else f"{count:,}".replace("-", _MINUS)


def agents_of(lines: Iterable[Line]) -> list[AgentBlock]:
    """Lines by agent, the dearest first, in each the dearest model first."""
    by: dict[str, list[Line]] = {}
    for line in lines:
        by.setdefault(line.agent, []).append(line)
    blocks = [AgentBlock(agent, sums_of(of), sorted(of, key=lambda line: -line.cost_nanos)) for agent, of in by.items()]
    return sorted(blocks, key=lambda block: (-block.sums.cost_nanos, block.agent))


def corrections_of(statement: Statement) -> list[CorrectionBlock]:
    """Corrections by the period that they correct, latest first, and by kind."""
    by: dict[tuple[str, str], list[Line]] = {}
    for line in statement.corrections:
        by.setdefault((line.period, kind_of(line, statement)), []).append(line)
    order = sorted(by, reverse=True)
    return [
        CorrectionBlock(period, kind, sums_of(by[period, kind]), agents_of(by[period, kind])) for period, kind in order
    ]


def units_text(units: Mapping[str, int]) -> str:
    """Counts beside tokens, in words."""
    return ", ".join(f"{count_text(count)} {unit.replace('_', ' ')}" for unit, count in units.items())


def flags_of(line: Line) -> list[str]:
    """What has to be known of a line's amount."""
    found = []
    if line.price_id is None:
        found.append("unpriced")
    if line.estimated_nanos:
        found.append("estimated")
    if line.units_unpriced:
        found.append("units unpriced")
    if line.context_unknown:
        found.append("tier unknown")
    return found


def remarks_of(statement: Statement) -> list[str]:
    """What has to be said of the statement as a whole, in sentences."""
    sums, said = statement.sums, []
    if sums.unpriced_nanos:
        said.append(
            f"USD {_whole(sums.unpriced_nanos)} is of models without a price, taken at the ceiling (“{CEILING}”). "
            "Once a price is known they are corrected."
        )
    if sums.estimated_nanos:
        said.append(f"USD {_whole(sums.estimated_nanos)} rests on estimated counts (“estimated”).")
    if sums.units_unpriced:
        said.append(f"{sums.units_unpriced:,} calls used something beside tokens that has no price (“units unpriced”).")
    if sums.context_unknown:
        said.append(
            f"{sums.context_unknown:,} calls named a service tier or context without a price and were taken at the "
            "standard one (“tier unknown”)."
        )
    return said


def rate_lines(card: RateCard) -> list[str]:
    """A card's prices as short texts, the base price first and each tier behind it."""
    order = {unit: place for place, unit in enumerate(_LABELS)}
    units = sorted(card.units, key=lambda unit: (order.get(unit.unit, len(order)), unit.unit))
    return [text for unit in units for text in _rate_texts(unit)]


def scope_text(card: RateCard) -> str:
    """Where and when a card holds."""
    parts = [f"{name} {value}" for name, value in card.context.items()]
    if card.effective_from is not None:
        parts.append(f"from {card.effective_from}")
    if card.effective_to is not None:
        parts.append(f"until {card.effective_to}")
    return ", ".join([*parts, *card.factors])


def _whole(nanos: int) -> str:
    return "".join(amount_of(nanos))


def _rate_texts(unit: UnitRate) -> list[str]:
    name = _LABELS.get(unit.unit, unit.unit.replace("_", " "))
    per = {1_000_000: "M", 1_000: "K", 1: ""}.get(unit.per, f"{unit.per:,}")
    suffix = f"/{per}" if per else " each"
    tiers = [f"{name} ${usd}{suffix} over {over:,} input" for over, usd in unit.tiers]
    return [f"{name} ${unit.usd}{suffix}", *tiers]
