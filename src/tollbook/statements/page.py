"""A statement as one HTML page: nothing is fetched, nothing runs, and it prints on A4 and Letter."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from html import escape
from importlib import resources

from tollbook.ports.statements import Line
from tollbook.statements.figures import (
    AgentBlock,
    agents_of,
    amount_of,
    corrections_of,
    count_text,
    flags_of,
    rate_lines,
    remarks_of,
    rounded_text,
    scope_text,
    units_text,
)
from tollbook.statements.statement import Statement, Sums, cache_write
from tollbook.statements.wire import instant_text

STYLE = (resources.files("tollbook.statements") / "statement.css").read_text()
CONTENT_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For whoever serves the page: its one style, and nothing else."""

_COLUMNS = ("Calls", "Input", "Cached", "Cache writes", "Output", "Reasoning")
KINDS = {"late": "calls that came late", "correction": "corrected entries"}


def statement_html(statement: Statement) -> str:
    """The whole page."""
    title = f"Statement {statement.period.text} · {statement.tenant}"
    return "".join((
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>",
        _head(statement),
        _usage(statement),
        _corrections(statement),
        _total(statement),
        _remarks(statement),
        _rates(statement),
        _foot(statement),
        "</main></body></html>\n",
    ))  # fmt: skip


def state_text(statement: Statement) -> str:
    """Whether a statement may still change."""
    if statement.close is None:
        return "open: what follows may still change"
    whom = "for everyone" if statement.close.tenant is None else "for this tenant"
    later = statement.close.period
    behind = "" if later == statement.period else f" with {later.text}"
    return f"closed {_seconds(statement.close.closed_at)} {whom}{behind} by {statement.close.closed_by}"


def facts_of(statement: Statement) -> list[tuple[str, str]]:
    """Names and values that stand above the lines."""
    bounds, sums = statement.bounds, statement.sums
    facts = [
        ("Period", f"{instant_text(bounds.start)} to {instant_text(bounds.end)}"),
        ("Time zone", bounds.zone),
        ("State", state_text(statement)),
    ]
    if statement.as_of is not None:
        facts.append(("As of", _seconds(statement.as_of)))
    before = statement.before
    facts.append(("Period before", "open" if before is None else f"closed {_seconds(before.closed_at)}"))
    if statement.first_ts is not None and statement.last_ts is not None:
        facts.append(("First and last call", f"{_seconds(statement.first_ts)}, {_seconds(statement.last_ts)}"))
    facts.append(("Entries", f"{sums.entries:,}, of {sums.calls:,} calls"))
    return facts


def _seconds(at: datetime) -> str:
    return instant_text(at.replace(microsecond=0))


def _head(statement: Statement) -> str:
    badge = "open" if statement.close is None else "closed"
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{_name(value)}</dd>" for name, value in facts_of(statement))
    return (
        f'<header><div class="bar"><p class="mark">tollbook</p><p class="badge {badge}">{badge}</p></div>'
        f'<div class="lead"><div><p class="kind">Statement {escape(statement.period.text)}</p>'
        f'<h1>{_name(statement.tenant)}</h1></div><div class="due"><p class="kind">Total</p>'
        f'<p class="sum"><span>USD</span> {rounded_text(statement.total_nanos)}</p>'
        f"<p>exactly {_amount(statement.total_nanos)}</p></div></div><dl>{facts}</dl></header>"
    )


def _usage(statement: Statement) -> str:
    if not statement.usage:
        return '<section><h2>Usage</h2><p class="none">Nothing was booked in this period.</p></section>'
    body = _blocks(statement, agents_of(statement.usage))
    return f"<section><h2>Usage</h2>{_table(body, 'Usage', statement.usage_sums)}</section>"


def _corrections(statement: Statement) -> str:
    if not statement.corrections:
        return ""
    parts = ['<section><h2>Corrections of closed periods</h2><p class="why">Booked after their period was closed.</p>']
    for block in corrections_of(statement):
        title = f"{block.period}: {KINDS[block.kind]}"
        parts.append(f"<h3>{escape(title)}</h3>{_table(_blocks(statement, block.agents), title, block.sums)}")
    return "".join([*parts, "</section>"])


def _table(body: str, caption: str, sums: Sums) -> str:
    heads = "".join(f'<th scope="col" class="n">{name}</th>' for name in _COLUMNS)
    return (
        f'{_wide(caption)}<table><caption>{escape(caption)}</caption><thead><tr><th scope="col">Agent, model</th>'
        f'{heads}<th scope="col" class="n">USD</th></tr></thead>{body}'
        f'<tfoot><tr><th scope="row">Sum</th>{_sums(sums)}</tr></tfoot></table></div>'
    )


def _blocks(statement: Statement, agents: Iterable[AgentBlock]) -> str:
    parts = []
    for block in agents:
        head = f'<tr class="agent"><th scope="rowgroup">{_name(block.agent)}</th>{_sums(block.sums)}</tr>'
        rows = [f"<tr><td>{_model(statement, line)}</td>{_cells(line)}</tr>" for line in block.lines]
        parts.append(f"<tbody>{head}{''.join(rows)}</tbody>")
    return "".join(parts)


def _model(statement: Statement, line: Line) -> str:
    label = statement.label_of(line)
    flags = "".join(f' <span class="flag">{escape(flag)}</span>' for flag in flags_of(line))
    units = f'<span class="units">{escape(units_text(line.units))}</span>' if line.units else ""
    whose = f"{escape(line.provider)} " if line.provider else ""
    return f'{_name(line.model)} <span class="by">{whose}{escape(label)}</span>{flags}{units}'


def _cells(line: Line) -> str:
    counts = (line.calls, line.input, line.cache_read, cache_write(line), line.output, line.reasoning)
    return _numbers(counts) + f'<td class="n">{_amount(line.cost_nanos)}</td>'


def _sums(sums: Sums) -> str:
    counts = (sums.calls, sums.input, sums.cache_read, sums.cache_write, sums.output, sums.reasoning)
    return _numbers(counts) + f'<td class="n">{_amount(sums.cost_nanos)}</td>'


def _numbers(counts: Sequence[int]) -> str:
    return "".join(f'<td class="n">{count_text(count)}</td>' for count in counts)


def _total(statement: Statement) -> str:
    rows = [("Usage", statement.usage_sums.cost_nanos)]
    if statement.corrections:
        rows.append(("Corrections of closed periods", statement.correction_sums.cost_nanos))
    if statement.markup is not None:
        rows.append((f"Markup, {statement.markup.percent} %", statement.markup.nanos))
    shown = "".join(f"<dt>{escape(name)}</dt><dd>{_amount(nanos)}</dd>" for name, nanos in rows)
    note = "" if statement.note is None else f'<p class="note">{_name(statement.note)}</p>'
    whole = f'<dt class="all">Total in USD</dt><dd class="all">{_amount(statement.total_nanos)}</dd>'
    return f'<section class="total"><dl>{shown}{whole}</dl>{note}</section>'


def _remarks(statement: Statement) -> str:
    said = remarks_of(statement)
    if not said:
        return ""
    return f"<section><h2>To know</h2><ul>{''.join(f'<li>{escape(one)}</li>' for one in said)}</ul></section>"


def _rates(statement: Statement) -> str:
    if not statement.rates:
        return ""
    rows = []
    for card in statement.rates:
        prices = ", ".join(rate_lines(card)) or "kept without its prices"
        scope = scope_text(card)
        where = f' <span class="by">{escape(scope)}</span>' if scope else ""
        who = f"{escape(card.provider)} {_name(card.model)}" if card.model else f"card {card.price_id}"
        rows.append(f'<tr><th scope="row">{escape(card.label)}</th><td>{who}{where}</td><td>{escape(prices)}</td></tr>')
    return (
        '<section class="rates"><h2>Rates</h2>' + _wide("Rates") + "<table><caption>Rates</caption>"
        '<thead><tr><th scope="col">Card</th><th scope="col">Model</th><th scope="col">US dollars</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _foot(statement: Statement) -> str:
    seal = "" if statement.digest is None else f"<p>SHA-256 of the closed lines: <code>{statement.digest}</code></p>"
    return (
        "<footer><p>Input includes cached tokens and cache writes, output includes reasoning. Each entry is rounded "
        f"once, to 1e-9 USD; sums are exact. Cents are rounded half up.</p>{seal}</footer>"
    )


def _wide(label: str) -> str:
    """A frame that narrow screens scroll, by keys too."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(label)}">'


def _name(text: str) -> str:
    return f'<bdi class="name">{escape(text)}</bdi>'


def _amount(nanos: int) -> str:
    amount = amount_of(nanos)
    return f'<span class="usd">{amount.main}<span class="rest">{amount.rest}</span></span>'
